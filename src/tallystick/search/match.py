"""Evaluates a query on events in Python, for live views and rules, which see events as they are recorded.

Equivalent to the SQL of `store.query_sql`; a property test compares the two.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc

from tallystick.events.record import Record
from tallystick.query.case_folding import fold
from tallystick.query.conditions import (
    And,
    AtPath,
    Between,
    Condition,
    Contains,
    ContainsInOrder,
    Equals,
    HasIdentifier,
    HasPath,
    InElement,
    InNetwork,
    IsResource,
    Not,
    Or,
    Query,
    RecordedByTallystick,
    ValueAtPath,
)
from tallystick.query.own_records import is_own_record
from tallystick.query.values import event_id_span as id_span
from tallystick.query.values import fits, network_span, split_patterns
from tallystick.search.event_block import EventBlock
from tallystick.search.match_details import has_value
from tallystick.search.word_index import WordIndex

Match = Callable[[Record], bool]
Rows = list[int]
"""Positions of events in a block, ascending."""
Selection = Callable[[EventBlock, Rows], Rows]
"""Returns those of the given rows whose events match."""

# From so many characters compared with a further word on, one pass of a combined expression over all texts costs less.
COMBINED_FROM = 400_000
INDEXED_FROM = 50  # words of several queries
MOST_PATTERN = 10_000  # characters of one combined expression


def compile_match(query: Query) -> Match:
    """The query as a predicate on records: compile once, call per event. Stateless; safe in any thread.

    The caller adds a scope's mandatory condition: `And((scope.mandatory, query.condition))`.
    """
    select = compile_selection(query)
    return lambda record: bool(select(EventBlock((record,)), [0]))


def compile_selection(query: Query) -> Selection:
    """The query as a function that selects the matching events of a block, for many events or many queries.

    Conditions on single fields are tested first, and text only in the events that these leave.
    """
    period = Between(query.start, query.end)
    return _compiled(query.condition if period == Between() else And((period, query.condition)))


def _compiled(condition: Condition) -> Selection:
    match condition:
        case Contains(needle):
            return _contains((needle,))
        case Equals():
            return _equals_id(condition) if condition.field == "id" else _equals(condition)
        case IsResource(kind, names):
            return lambda block, rows: [row for row in rows if _has_resource(block.records[row], kind, names)]
        case InNetwork(networks):
            spans = [network_span(network) for network in networks]
            return lambda block, rows: [
                row for row in rows if (at := block.addresses()[row]) is not None and _within(at, spans)
            ]
        case ContainsInOrder(pieces):
            return _contains_in_order(pieces)
        case HasIdentifier(values):
            wanted = frozenset(values)
            return lambda block, rows: [row for row in rows if block.has_identifier(row, wanted)]
        case AtPath() | HasPath() | ValueAtPath() | InElement():
            return lambda block, rows: [row for row in rows if has_value(block, row, condition)]
        case Between(start, end):
            return lambda block, rows: [row for row in rows if _is_between(block.records[row].occurred_at, start, end)]
        case RecordedByTallystick():
            return lambda block, rows: [row for row in rows if is_own_record(block.records[row].what)]
        case Not(inner):
            return _not(_compiled(inner))
        case And(conditions):
            return _all(conditions)
        case Or(conditions):
            return _any(conditions)


def index_words(conditions: Iterable[Condition]) -> WordIndex | None:
    """An index of the words of these conditions for the blocks that they are matched on; None for a few words."""
    words = {word for condition in conditions for word in _words_of(condition)}
    return WordIndex(words) if len(words) >= INDEXED_FROM else None


def _words_of(condition: Condition) -> Iterator[str]:
    match condition:
        case Contains(needle):
            yield needle
        case Not(inner):
            yield from _words_of(inner)
        case And(conditions) | Or(conditions):
            for one in conditions:
                yield from _words_of(one)


def _is_between(at: int, start: int | None, end: int | None) -> bool:
    return (start is None or start <= at) and (end is None or at < end)


def _has_resource(record: Record, kind: str, names: Sequence[str]) -> bool:
    others = zip(record.other_resource_types, record.other_resource_ids, record.other_resource_names, strict=True)
    resources = [(record.resource_type, record.resource_id, record.resource_name), *others]
    return any(fold(one[0]) == kind and (fold(one[1]) in names or fold(one[2]) in names) for one in resources)


def _within(value: int, spans: list[tuple[int, int]]) -> bool:
    return any(first <= value <= last for first, last in spans)


def _not(select: Selection) -> Selection:
    def select_others(block: EventBlock, rows: Rows) -> Rows:
        found = set(select(block, rows))
        return [row for row in rows if row not in found]

    return select_others


def _all(conditions: Sequence[Condition]) -> Selection:
    """Each condition is tested in the events that the ones before it leave."""
    words = [one for one in conditions if isinstance(one, Contains)]
    # None of many words: one search for all of them.
    excluded = [word for one in conditions if (word := _excluded_word(one))]
    others = [one for one in conditions if not isinstance(one, Contains) and not _excluded_word(one)]
    others.sort(key=_cost)
    selections = [_compiled(one) for one in others]
    place = sum(not _cost(one) for one in others)
    # The longest word first: it is likely to be the rarest.
    selections[place:place] = [_contains((one.needle,)) for one in sorted(words, key=lambda one: -len(one.needle))]
    if excluded:
        selections.append(_not(_contains(excluded)))

    def select_all(block: EventBlock, rows: Rows) -> Rows:
        for select in selections:
            if not rows:
                break
            rows = select(block, rows)
        return rows

    return select_all


def _excluded_word(condition: Condition) -> str:
    return (
        condition.condition.needle if isinstance(condition, Not) and isinstance(condition.condition, Contains) else ""
    )


def _any(conditions: Sequence[Condition]) -> Selection:
    """Each condition is tested in the events that the ones before it did not find."""
    words = [one.needle for one in conditions if isinstance(one, Contains)]
    others = sorted((one for one in conditions if not isinstance(one, Contains)), key=_cost)
    selections = [_compiled(one) for one in others]
    if words:
        selections.insert(sum(not _cost(one) for one in others), _contains(words))

    def select_any(block: EventBlock, rows: Rows) -> Rows:
        found: set[int] = set()
        left = rows
        for select in selections:
            if not left:
                break
            if some := select(block, left):
                found.update(some)
                left = [row for row in left if row not in found]
        return [row for row in rows if row in found]

    return select_any


def _cost(condition: Condition) -> int:
    """0 for a condition on single fields, 1 for one that searches text, 2 for one that searches the details by path."""
    match condition:
        case Contains() | ContainsInOrder():
            return 1
        case AtPath() | HasPath() | ValueAtPath() | InElement():
            return 2
        case Not(inner):
            return _cost(inner)
        case And(conditions) | Or(conditions):
            return max(map(_cost, conditions), default=0)
        case _:
            return 0


def _contains(needles: Sequence[str]) -> Selection:
    """The events whose text contains any of the words.

    Words that the block's index holds are looked up there. Many others in many texts are found by one expression for
    all words, in time proportional to the texts, and without holding the interpreter lock.
    """
    words = tuple(sorted(set(needles), key=lambda one: (len(one), one)))

    def select(block: EventBlock, rows: Rows) -> Rows:
        if block.index is None:
            return _search(block, rows, words)
        others = tuple(word for word in words if word not in block.index.words)
        found = {row for word in words if word in block.index.words for row in block.rows_with(word)}
        if others:
            found.update(_search(block, [row for row in rows if row not in found], others))
        return [row for row in rows if row in found] if found else []

    return select


def _search(block: EventBlock, rows: Rows, words: tuple[str, ...]) -> Rows:
    texts = [block.text(row) for row in rows]
    if sum(map(len, texts)) * (len(words) - 1) < COMBINED_FROM:
        return [row for row, text in zip(rows, texts, strict=True) if _holds_any(text, words)]
    try:
        column = pa.array(texts, pa.string())
    except UnicodeEncodeError:  # half of a surrogate pair: no text for the engine of expressions
        return [row for row, text in zip(rows, texts, strict=True) if _holds_any(text, words)]
    found = [False] * len(rows)
    for pattern in _patterns(words, MOST_PATTERN):
        found = list(map(or_, found, pc.match_substring_regex(column, pattern).to_pylist()))
    return list(compress(rows, found))


def _holds_any(text: str, words: Sequence[str]) -> bool:
    return any(map(text.__contains__, words))


@lru_cache(maxsize=1_000)
def _patterns(words: tuple[str, ...], longest: int) -> list[str]:
    """Expressions of RE2 of about `longest` characters that together match whatever contains any of the words."""
    patterns: list[str] = []
    chunk: list[str] = []
    length = 0
    for word in words:
        if not _is_encodable(word):
            continue  # in no text that can be encoded
        escaped = re.escape(word)
        if chunk and length + len(escaped) > longest:
            patterns.append("|".join(chunk))
            chunk, length = [], 0
        chunk.append(escaped)
        length += len(escaped)
    if chunk:
        patterns.append("|".join(chunk))
    return patterns


def _is_encodable(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _equals_id(condition: Equals) -> Selection:
    spans = [found for pattern in condition.patterns if (found := id_span(pattern))]
    return lambda block, rows: [row for row in rows if _within(int.from_bytes(block.records[row].id, "big"), spans)]


def _equals(condition: Equals) -> Selection:
    field = condition.field
    values, wild = split_patterns(condition.patterns, wildcards=condition.wildcards)
    plain = frozenset(values)

    def select(block: EventBlock, rows: Rows) -> Rows:
        names = block.names(field)
        if not wild:
            return [row for row in rows if not plain.isdisjoint(names[row])]
        fitting = {name for row in rows for name in names[row]}  # each distinct value is compared once
        fitting = {name for name in fitting if name in plain or any(fits(name, pieces) for pieces in wild)}
        return [row for row in rows if not fitting.isdisjoint(names[row])]

    return select


def _contains_in_order(pieces: Sequence[str]) -> Selection:
    """The events of which one value contains the pieces one behind the other; NUL stands between values."""
    pattern = ("", *pieces, "")

    def select(block: EventBlock, rows: Rows) -> Rows:
        texts = ((row, block.text(row)) for row in rows)
        likely = ((row, text) for row, text in texts if all(map(text.__contains__, pieces)))
        return [row for row, text in likely if any(fits(value, pattern) for value in text.split("\0"))]

    return select
