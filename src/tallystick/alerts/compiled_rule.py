"""A rule as events see it: which of them it looks at, as what, and how it tells of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from tallystick.alerts.definition import Field, Shape, condition_of
from tallystick.alerts.fields import NAMES, WHERE, digest
from tallystick.alerts.judges import QUERY, THEN, UNLESS, Hit, Judge, judge_for
from tallystick.events.record import Record
from tallystick.query.conditions import EVERYTHING, And, Condition, Equals, Query
from tallystick.search.match import Match, compile_match

# What a condition on these alone says of one event it says of all with the same action, category and status.
GATE = ("action", "category", "status")


@dataclass(frozen=True, slots=True)
class Step:
    """One search of a rule."""

    number: int
    condition: Condition
    gate: Match
    match: Match
    group_by: Field | None


class Watched:
    """A shape, compiled for one rule. Has no state; any thread may use it."""

    def __init__(self, rule_id: UUID, shape: Shape) -> None:
        self.rule_id = rule_id
        self.shape = shape
        self._counted = shape.distinct or shape.new
        self._where: Callable[[Record], bool] | None = WHERE[shape.where] if shape.where else None
        searches: list[tuple[int, str, Field | None]] = [(QUERY, shape.query, shape.group_by)]
        if shape.kind == "sequence":
            # What ends a sequence is judged before what begins one: an event does not follow itself.
            searches = [(UNLESS, shape.unless, shape.group_by)] if shape.unless else []
            searches += [
                (THEN, shape.then, shape.then_group_by or shape.group_by),
                (QUERY, shape.query, shape.group_by),
            ]
        self.steps = tuple(_step(number, search, group_by) for number, search, group_by in searches)

    @cached_property
    def everything(self) -> bytes:
        """The key where a rule has no groups."""
        return digest(self.rule_id, "")

    def judge(self) -> Judge:
        return judge_for(self.shape)

    def may_match(self, record: Record) -> bool:
        """Whether any event with this action, category and status can be one."""
        return any(step.gate(record) for step in self.steps)

    def hits(self, index: int, record: Record) -> Iterator[Hit]:
        """What the event is to the rule."""
        for step in self.steps:
            if step.match(record) and (hit := self.hit(step, index, record)) is not None:
                yield hit

    def hit(self, step: Step, index: int, record: Record) -> Hit | None:
        """An event that a search of the rule found; None where it is of no group, or not as `where` wants it."""
        if self._where is not None and not self._where(record):
            return None
        keys: tuple[bytes, ...] = (self.everything,)
        if step.group_by is not None:
            names = NAMES[step.group_by](record)
            if not names and step.number == UNLESS and self.shape.then_group_by:
                names = NAMES[self.shape.then_group_by](record)  # who joins again does so by their own act
            if not names:
                return None
            keys = tuple(dict.fromkeys(digest(self.rule_id, name) for name in names))
        at = record.received_at if self.shape.kind == "silence" else record.occurred_at
        return Hit(at, index, step.number, keys, self._value(record), record.id)

    def _value(self, record: Record) -> bytes:
        if self._counted is None:
            return b""
        names = NAMES[self._counted](record)
        return digest(self.rule_id, names[0]) if names else b""


def _step(number: int, search: str, group_by: Field | None) -> Step:
    condition = condition_of("query", search)
    return Step(number, condition, _gate(condition), compile_match(Query(condition)), group_by)


def _gate(condition: Condition) -> Match:
    parts = condition.conditions if isinstance(condition, And) else (condition,)
    plain = tuple(one for one in parts if isinstance(one, Equals) and one.field in GATE)
    return compile_match(Query(And(plain) if plain else EVERYTHING))
