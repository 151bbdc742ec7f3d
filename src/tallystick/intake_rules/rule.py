"""An intake rule, a list of them, and how both are checked and stored."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from tallystick.access.organizations import MOST_DAYS
from tallystick.errors import BadRequest, TallystickError
from tallystick.intake_rules.protection import applying
from tallystick.query.conditions import (
    EVERYTHING,
    And,
    AtPath,
    Between,
    Condition,
    Contains,
    ContainsInOrder,
    HasPath,
    InElement,
    Not,
    Or,
    ValueAtPath,
)
from tallystick.search.grammar import parse

PREFIX = "irl"
MOST_RULES = 20
MOST_TEXT = 1000
Effect = Literal["drop", "keep"]
NEVER: Condition = Or(())


class IntakeRule(msgspec.Struct, frozen=True):
    """A rule: `drop` the events that the query finds, or `keep` them for `days` days instead of the retention.

    `id` is `irl_…`; `made_by` is the person or key that made the rule, `made_at` in microseconds.
    """

    id: str
    query: str
    do: Effect
    days: int | None
    made_by: str
    made_at: int

    def kept_days(self, retention_days: int) -> int:
        """For how long events of the rule are kept where all others are kept for `retention_days`; 0: dropped."""
        return 0 if self.days is None else min(self.days, retention_days)


Rules = tuple[IntakeRule, ...]
_decode = msgspec.json.Decoder(Rules).decode


def decode_rules(text: str) -> Rules:
    """The rules of a stored list."""
    return _decode(text) if text else ()


def encode_rules(rules: Rules) -> str:
    """A list as it is stored."""
    return msgspec.json.encode(rules).decode()


def check_rule(query: str, do: str, days: int | None, retention_days: int) -> tuple[Effect, int | None]:
    """What a rule does and its days, checked. Raises BadRequest (`bad_intake_rule`, or that of a mistake in the query).

    `retention_days` is what the organization's plan keeps: no rule keeps events for longer.
    """
    parse_query(query)
    if do == "drop":
        if days is not None:
            raise invalid_rule("days", "Only a rule with `keep` has days. A dropped event is not kept at all.")
        return "drop", None
    if do != "keep":
        raise invalid_rule("do", "Write `keep` or `drop`.")
    if days is None or not 1 <= days <= MOST_DAYS:
        raise invalid_rule("days", "Give the number of days to keep these events, 1 or more.")
    if days > retention_days:
        raise invalid_rule(
            "days",
            f"Events are kept for {retention_days} days. A rule can only shorten that: give a number of days up to "
            f"{retention_days}.",
        )
    return "keep", days


def parse_query(query: str) -> Condition:
    """The condition of a rule's query, which may look only at columns: rules are applied before events are recorded."""
    if len(query) > MOST_TEXT:
        raise invalid_rule("query", f"The query of a rule may have at most {MOST_TEXT} characters.")
    condition = parse(query, now=0)
    if condition == EVERYTHING:
        raise invalid_rule("query", "Say which events, such as `action:project.viewed`.")
    _check_columns(condition)
    return condition


def conditions_of(rules: Sequence[IntakeRule]) -> list[Condition]:
    """For each rule the condition that it applies to an event, whatever rules come before it.

    A query that this version cannot read applies to nothing, so that events are rather kept.
    """
    found: list[Condition] = []
    for rule in rules:
        try:
            found.append(applying(parse_query(rule.query)))
        except TallystickError:
            found.append(NEVER)
    return found


def invalid_rule(field: str, detail: str) -> BadRequest:
    """The error for a rule that cannot be."""
    return BadRequest(detail, code="bad_intake_rule", field=field)


def _check_columns(condition: Condition) -> None:
    match condition:
        case Contains(needle):
            raise invalid_rule(
                "query",
                f"A rule cannot search for the word `{needle[:60]}`. Use qualifiers, such as `action:`, `user:`, "
                "`type:`, `source:` or `ip:`.",
            )
        case ContainsInOrder(pieces):
            _check_columns(Contains("*".join(pieces)))
        case AtPath(path) | HasPath(path) | ValueAtPath(path) | InElement(path):
            raise invalid_rule("query", f"A rule cannot look into the details of an event (`{path[:60]}`).")
        case Between():
            raise invalid_rule("query", "A rule applies to events of any time. Leave out after:, before: and on:.")
        case Not(inner):
            _check_columns(inner)
        case And(conditions) | Or(conditions):
            for one in conditions:
                _check_columns(one)
        case _:
            return
