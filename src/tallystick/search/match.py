"""Evaluates a query on one event in Python, for live views and rules, which see events as they are recorded.

Equivalent to the SQL of `store.query_sql`; a property test compares the two.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter

from tallystick.events.record import Record
from tallystick.query.case_folding import fold
from tallystick.query.conditions import (
    STANDS_IN,
    And,
    AtPath,
    Between,
    Condition,
    Contains,
    Equals,
    InNetwork,
    Not,
    Or,
    Query,
)
from tallystick.query.values import event_id_span as id_span
from tallystick.query.values import fits, network_span, number
from tallystick.store.schema import SEARCHED

Match = Callable[[Record], bool]

_searched = attrgetter(*SEARCHED)


def compile_match(query: Query) -> Match:
    """The query as a predicate on records: compile once, call per event. Stateless; safe in any thread.

    The caller adds a scope's mandatory condition: `And((scope.mandatory, query.condition))`.
    """
    period = Between(query.start, query.end)
    return _compiled(query.condition if period == Between() else And((period, query.condition)))


def searched_text(record: Record) -> str:
    """Everything that a bare word is searched in, folded, joined by NUL, which no value and no needle contains."""
    return fold("\0".join((*_searched(record), *record.values)))


def _compiled(condition: Condition) -> Match:
    match condition:
        case Contains(needle):
            return lambda record: needle in searched_text(record)
        case Equals():
            return _equals(condition)
        case InNetwork():
            return _in_network(condition)
        case AtPath():
            return _at_path(condition)
        case Between(start, end):
            return lambda record: (
                (start is None or start <= record.occurred_at) and (end is None or record.occurred_at < end)
            )
        case Not(inner):
            judge = _compiled(inner)
            return lambda record: not judge(record)
        case And(conditions):
            return _all(conditions)
        case Or(conditions):
            judges = [_compiled(each) for each in conditions]
            return lambda record: any(judge(record) for judge in judges)


def _all(conditions: Iterable[Condition]) -> Match:
    """Cheap tests run first, and the words of one conjunction share one folded text."""
    needles = [each.needle for each in conditions if isinstance(each, Contains)]
    judges = [_compiled(each) for each in conditions if not isinstance(each, Contains)]
    if not needles:
        return lambda record: all(judge(record) for judge in judges)

    def judge_all(record: Record) -> bool:
        if not all(judge(record) for judge in judges):
            return False
        text = searched_text(record)
        return all(needle in text for needle in needles)

    return judge_all


def _equals(condition: Equals) -> Match:
    if condition.field == "id":
        spans = [found for pattern in condition.patterns if (found := id_span(pattern))]
        return lambda record: _within(int.from_bytes(record.id, "big"), spans)
    columns = attrgetter(*STANDS_IN[condition.field])
    single = len(STANDS_IN[condition.field]) == 1
    plain = frozenset(p for p in condition.patterns if not condition.wildcards or "*" not in p)
    wild = [p.split("*") for p in condition.patterns if condition.wildcards and "*" in p]

    def judge(record: Record) -> bool:
        found = (columns(record),) if single else columns(record)
        return any(
            value and ((folded := fold(value)) in plain or any(fits(folded, pieces) for pieces in wild))
            for value in found
        )

    return judge


def _in_network(condition: InNetwork) -> Match:
    spans = [network_span(network) for network in condition.networks]
    return lambda record: bool(record.ip_address) and _within(number(record.ip_address), spans)


def _within(value: int, spans: list[tuple[int, int]]) -> bool:
    return any(first <= value <= last for first, last in spans)


def _at_path(condition: AtPath) -> Match:
    path, below, needles = condition.path, condition.path + ".", condition.needles

    def judge(record: Record) -> bool:
        for at, value in zip(record.paths, record.values, strict=True):
            folded = fold(at)
            if folded == path or folded.startswith(below):
                text = fold(value)
                if any(needle in text for needle in needles):
                    return True
        return False

    return judge
