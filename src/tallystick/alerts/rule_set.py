"""The rules of one organization, compiled together: what several of them ask of an event is found out once."""

from collections.abc import Iterator, Sequence

from tallystick.alerts.compiled_rule import CompiledRule, RuleStep
from tallystick.alerts.detectors import Hit
from tallystick.alerts.event_reader import IndexedRecord, is_evaluated
from tallystick.alerts.fields import EventFields
from tallystick.alerts.rule import Rule
from tallystick.events.record import Record
from tallystick.query.conditions import Condition
from tallystick.search.event_block import EventBlock
from tallystick.search.match import Rows, index_words

MOST_KINDS = 10_000
EventKind = tuple[str, str, str]
"""Action, category and status of an event."""


class RuleSet:
    """The enabled rules of one organization, compiled."""

    def __init__(self, rules: Sequence[tuple[Rule, CompiledRule]]) -> None:
        self.rules = rules
        self.versions = {(rule.rule_id, rule.version) for rule, _ in rules}
        # Most organizations send few kinds of events and most rules name an action, so that the prefilters of all
        # rules are evaluated once for each kind instead of once for each event.
        self._by_kind: dict[EventKind, list[int]] = {}
        # The steps of all rules by their condition, numbered: one that several rules share is tested once for a block.
        numbers: dict[Condition, int] = {}
        self._conditions = [
            [numbers.setdefault(step.condition, len(numbers)) for step in compiled.steps] for _, compiled in self.rules
        ]

        self._index = index_words(numbers)

    def candidates(self, record: Record) -> list[int]:
        """Returns the positions in `rules` of those that may match events of this kind."""
        kind = (record.action, record.category, record.status)
        places = self._by_kind.get(kind)
        if places is None:
            if len(self._by_kind) >= MOST_KINDS:  # actions are the senders' words: bounded, whatever they send
                self._by_kind.clear()
            places = [place for place, (_, compiled) in enumerate(self.rules) if compiled.may_match(record)]
            self._by_kind[kind] = places
        return places

    def hits(self, events: Sequence[IndexedRecord]) -> Iterator[tuple[int, list[Hit]]]:
        """Yields the position in `rules` and the hits, in index order, of each rule that matches some of the events."""
        evaluated = [event for event in events if is_evaluated(event[1])]
        block = EventBlock([record for _, record in evaluated], self._index)
        fields = [EventFields(record) for record in block.records]
        rows_of: dict[int, Rows] = {}
        for row, record in enumerate(block.records):
            for place in self.candidates(record):
                rows_of.setdefault(place, []).append(row)
        selected: dict[int, frozenset[int]] = {}
        for place in sorted(rows_of):
            rule, compiled = self.rules[place]
            rows = [row for row in rows_of[place] if evaluated[row][0] >= rule.since]
            found: list[tuple[RuleStep, frozenset[int]]] = []
            for step, number in zip(compiled.steps, self._conditions[place], strict=True):
                if number not in selected:
                    selected[number] = frozenset(step.select(block, block.rows))
                if selected[number]:
                    found.append((step, selected[number]))
            hits = [
                hit
                for row in (rows if found else ())
                for step, matching in found
                if row in matching and (hit := compiled.hit(step, evaluated[row][0], fields[row])) is not None
            ]
            if hits:
                yield place, hits
