"""Compiles a rule's definition into functions that test an event and turn it into a hit."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from tallystick.alerts.definition import Field, RuleDefinition, parse_search
from tallystick.alerts.detectors import QUERY, THEN, UNLESS, Detector, Hit, new_detector
from tallystick.alerts.fields import EventFields, digest
from tallystick.events.action_catalogue import BUILT_IN, ActionCatalogue
from tallystick.events.record import Record
from tallystick.query.conditions import EVERYTHING, And, Condition, Equals, Query
from tallystick.search.match import Match, Selection, compile_match, compile_selection

# A condition on these fields alone has one answer for all events with the same action, category and status.
PREFILTER_FIELDS = ("action", "category", "status")


@dataclass(frozen=True, slots=True)
class RuleStep:
    """One search of a rule: `query`, or `then` or `unless` of a sequence.

    `prefilter` tests the part of the condition that depends on PREFILTER_FIELDS only; where it fails, so does `match`.
    `select` is `match` for a block of events.
    """

    number: int
    condition: Condition
    prefilter: Match
    match: Match
    select: Selection
    group_by: Field | None


class CompiledRule:
    """A rule's definition, compiled. Immutable and thread-safe."""

    def __init__(self, rule_id: UUID, definition: RuleDefinition, catalogue: ActionCatalogue = BUILT_IN) -> None:
        """`catalogue`: that of the rule's organization, in whose sentences words are looked for."""
        self.rule_id = rule_id
        self.definition = definition
        self._value_field = definition.distinct or definition.new
        searches: list[tuple[int, str, Field | None]] = [(QUERY, definition.query, definition.group_by)]
        if definition.kind == "sequence":
            # Steps that end a sequence come before the one that begins it, so that no event follows itself.
            searches = [(UNLESS, definition.unless, definition.group_by)] if definition.unless else []
            searches += [
                (THEN, definition.then, definition.then_group_by or definition.group_by),
                (QUERY, definition.query, definition.group_by),
            ]
        self.steps = tuple(_compile_step(number, search, group_by, catalogue) for number, search, group_by in searches)

    @cached_property
    def ungrouped_key(self) -> bytes:
        """The group key of every hit of a rule without `group_by`."""
        return digest(self.rule_id, "")

    def new_detector(self) -> Detector:
        """Creates a detector without state."""
        return new_detector(self.definition)

    def may_match(self, record: Record) -> bool:
        """Whether an event with this action, category and status can match; constant for these three."""
        return any(step.prefilter(record) for step in self.steps)

    def hits(self, index: int, record: Record) -> Iterator[Hit]:
        """Yields a hit for each step that matches the event."""
        for step in self.steps:
            if step.match(record) and (hit := self.hit(step, index, EventFields(record))) is not None:
                yield hit

    def hit(self, step: RuleStep, index: int, event: EventFields) -> Hit | None:
        """Returns the hit of an event that the step matches; None if `where` fails or the event has no group."""
        if not event.fulfils(self.definition.where):
            return None
        keys: tuple[bytes, ...] = (self.ungrouped_key,)
        if step.group_by is not None:
            names = event.names(step.group_by)
            if not names and step.number == UNLESS and self.definition.then_group_by:
                names = event.names(self.definition.then_group_by)  # a user who joins again is the event's actor
            if not names:
                return None
            keys = tuple(dict.fromkeys(digest(self.rule_id, name) for name in names))
        # Silence is measured by the server's clock, everything else by the time of the event.
        record = event.record
        at = record.received_at if self.definition.kind == "silence" else record.occurred_at
        return Hit(at, index, step.number, keys, self._value(event), record.id)

    def _value(self, event: EventFields) -> bytes:
        if self._value_field is None:
            return b""
        names = event.names(self._value_field)
        return digest(self.rule_id, names[0]) if names else b""


def _compile_step(number: int, search: str, group_by: Field | None, catalogue: ActionCatalogue) -> RuleStep:
    condition = catalogue.expand(parse_search("query", search))
    query = Query(condition)
    return RuleStep(number, condition, _prefilter(condition), compile_match(query), compile_selection(query), group_by)


def _prefilter(condition: Condition) -> Match:
    conjuncts = condition.conditions if isinstance(condition, And) else (condition,)
    decisive = tuple(one for one in conjuncts if isinstance(one, Equals) and one.field in PREFILTER_FIELDS)
    return compile_match(Query(And(decisive) if decisive else EVERYTHING))
