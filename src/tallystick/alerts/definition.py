"""The definition of a rule: its kind, searches, groups and thresholds, and their validation."""

import re
from typing import Any, Literal, get_args

import msgspec

from tallystick.clock import DAY_US, SECOND_US
from tallystick.errors import BadRequest
from tallystick.query.conditions import And, Between, Condition, Not, Or
from tallystick.query.own_records import require_own_records
from tallystick.search.grammar import parse

Kind = Literal["threshold", "sequence", "first_seen", "dormant", "off_hours", "silence"]
Field = Literal["user", "ip", "resource", "action", "device", "session", "country"]
Where = Literal["", "acts_on_itself", "by_key", "clock_skewed", "holds_secret", "weakens"]

KINDS: tuple[Kind, ...] = get_args(Kind)
FIELDS: tuple[Field, ...] = get_args(Field)
MOST_COUNT = 1000
LONGEST = 366 * 24 * 3600
MOST_QUERY = 2000
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS = ("count", "window", "group", "user", "resource", "ip", "action", "value", "time", "description")
# Which fields a kind allows beside `query`, `where`, `cooldown_seconds` and `says`.
ALLOWED_FIELDS: dict[Kind, frozenset[str]] = {
    "threshold": frozenset({"count", "window_seconds", "group_by", "distinct"}),
    "sequence": frozenset({"count", "window_seconds", "group_by", "then", "then_group_by", "unless"}),
    "first_seen": frozenset({"group_by", "new", "window_seconds"}),
    "dormant": frozenset({"group_by", "window_seconds"}),
    "off_hours": frozenset({"group_by", "count"}),
    "silence": frozenset({"group_by", "window_seconds"}),
}
REQUIRED_FIELDS: dict[Kind, frozenset[str]] = {
    "threshold": frozenset(),
    "sequence": frozenset({"window_seconds", "then", "group_by"}),
    "first_seen": frozenset({"new"}),
    "dormant": frozenset({"group_by", "window_seconds"}),
    "off_hours": frozenset({"group_by"}),
    "silence": frozenset({"window_seconds"}),
}


class RuleDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a rule looks for. Times are in seconds; searches use the syntax of the search box.

    - threshold: `count` events of one group within the window, or events with `count` different values of `distinct`.
    - sequence: `count` events of `query`, then one of `then` within the window, with none of `unless` between.
    - first_seen: a value of `new` that its group (or the organization) never had before, or not for the length of the
      window, if it had another one.
    - dormant: an event of a group that had none for the length of the window.
    - off_hours: an event at an hour of the day at which its group, with at least `count` past events, does not act.
    - silence: no event for the length of the window, by the server's clock.

    `group_by` counts each value of that field separately; events without a value are ignored. `then_group_by` is the
    field of `then` events, if another one. `where` is a condition that the search language cannot express. After
    firing, a group stays silent for `cooldown_seconds` (by event time). `says` is the alert's sentence, with {slots}.
    """

    query: str = ""
    kind: Kind = "threshold"
    count: int = 1
    window_seconds: int = 0
    group_by: Field | None = None
    distinct: Field | None = None
    then: str = ""
    then_group_by: Field | None = None
    unless: str = ""
    new: Field | None = None
    where: Where = ""
    cooldown_seconds: int = 0
    says: str = ""

    @property
    def window_us(self) -> int:
        return self.window_seconds * SECOND_US

    @property
    def cooldown_us(self) -> int:
        return self.cooldown_seconds * SECOND_US


def invalid_rule(field: str, detail: str) -> BadRequest:
    """Creates a BadRequest with code `bad_rule` for a field."""
    return BadRequest(detail, code="bad_rule", field=field)


def parse_definition(given: dict[str, Any]) -> RuleDefinition:
    """Validates the fields of a definition.

    Raises BadRequest: `bad_rule` with the field, `bad_query` for a search with a mistake.
    """
    try:
        definition = msgspec.convert(given, RuleDefinition)
    except msgspec.ValidationError as error:
        raise BadRequest(f"Invalid rule: {error}.", code="bad_rule") from None
    _check_numbers(definition)
    optional = ("window_seconds", "group_by", "distinct", "then", "then_group_by", "unless", "new")
    present = {name for name in optional if getattr(definition, name)}
    if definition.count != 1:
        present.add("count")
    if extra := sorted(present - ALLOWED_FIELDS[definition.kind]):
        raise invalid_rule(extra[0], f"A rule of kind {definition.kind} has no {extra[0]}.")
    if missing := sorted(REQUIRED_FIELDS[definition.kind] - present):
        raise invalid_rule(missing[0], f"A rule of kind {definition.kind} needs {missing[0]}.")
    if definition.kind == "threshold" and definition.count > 1 and not definition.window_seconds:
        raise invalid_rule("window_seconds", "To count more than one event, set window_seconds.")
    if definition.distinct and (definition.count < 2 or definition.distinct == definition.group_by):
        raise invalid_rule("distinct", "distinct needs a count of at least 2, and a field other than group_by.")
    for name in ("query", "then", "unless"):
        parse_search(name, getattr(definition, name))
    for name in _PLACEHOLDER.findall(definition.says):
        if name not in PLACEHOLDERS:
            known = ", ".join(PLACEHOLDERS)
            raise invalid_rule("says", f"Unknown placeholder {{{name[:40]}}}. Use {known}.")
    return definition


def parse_search(name: str, query: str) -> Condition:
    """Parses a search of a rule, which may not limit the time of events. Raises BadRequest for field `name`."""
    if len(query) > MOST_QUERY:
        raise invalid_rule(name, f"A search can have at most {MOST_QUERY} characters.")
    if "\0" in query:
        raise invalid_rule(name, "A search cannot contain the character U+0000.")
    condition = require_own_records(parse(query, now=0))
    if _has_period(condition):
        raise invalid_rule(
            name, "A rule checks events as they arrive: leave after:, before: and on: out of its search."
        )
    return condition


def _check_numbers(definition: RuleDefinition) -> None:
    if not 1 <= definition.count <= MOST_COUNT:
        raise invalid_rule("count", f"count must be 1 to {MOST_COUNT}.")
    for name in ("window_seconds", "cooldown_seconds"):
        if not 0 <= getattr(definition, name) <= LONGEST:
            raise invalid_rule(name, f"{name} must be 0 to {LONGEST} seconds (366 days).")
    if len(definition.says) > 500 or not definition.says.isprintable():
        raise invalid_rule("says", "says must be one line of at most 500 characters.")


def _has_period(condition: Condition) -> bool:
    match condition:
        case Between():
            return True
        case And(conditions) | Or(conditions):
            return any(map(_has_period, conditions))
        case Not(inner):
            return _has_period(inner)
        case _:
            return False


def duration_words(seconds: int) -> str:
    """Formats a duration in the largest unit that divides it: `10 minutes`, `1 day`."""
    for unit, length in (("day", DAY_US // SECOND_US), ("hour", 3600), ("minute", 60)):
        if seconds and seconds % length == 0:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
