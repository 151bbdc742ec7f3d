"""Filters, as they stand in a URL, to a Query: one way for API, pages, exports and live views."""

import re
from collections.abc import Mapping, Sequence
from datetime import tzinfo

from tallystick.clock import zone_of
from tallystick.errors import BadRequest
from tallystick.query.conditions import EVERYTHING, And, Between, Condition, Or, Query
from tallystick.search.dates import FORMS, Clock, DateOrTime
from tallystick.search.grammar import needles, parse
from tallystick.search.qualifiers import BadValue, any_of, condition_of

# Filter parameter → the qualifier of the search language that means the same.
QUALIFIERS = {
    "user": "user", "action": "action", "status": "status", "category": "category",
    "resource": "resource", "resource_type": "type", "ip": "ip", "actor_type": "actor_type", "severity": "severity",
}  # fmt: skip
NAMES = ("start", "end", "tz", *QUALIFIERS, "q")

MOST_VALUES = 100

# A plus sign that was not percent-encoded arrives as a blank; before an offset it can have been nothing else.
_LOST_PLUS = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:[0-9]{2})$")

_LOST_PLUS_OF_ADDRESS = re.compile(r"(?<=[^\s@]) (?=[^\s@]+@[^\s@]+$)")

Given = dict[str, list[str]]


def query_from(params: Mapping[str, Sequence[str]], *, now: int) -> Query:
    """The query of these parameters; `now` in microseconds since 1970 UTC.

    Values of one name are joined by OR, names by AND; blank values are ignored, as are names not in NAMES. `start` is
    inclusive, `end` exclusive, and a bare date as `end` includes that day; `tz` is the zone of bare dates, here and in
    `q`. Raises BadRequest `bad_parameter` with `parameter` and mostly `suggestion`, or QueryMistake for errors in `q`.
    """
    given = {name: _values(name, params[name]) for name in NAMES if name in params}
    zone = _zone_name(given)
    clock = Clock(now, zone_from(given))
    period = _period(given, clock)
    fields = [_field(name, given[name], clock) for name in QUALIFIERS if given.get(name)]
    searched = _searched(given, now, zone)
    in_search, rest = _split(searched)
    conditions = tuple(fields + rest)
    condition = conditions[0] if len(conditions) == 1 else And(conditions)
    period = _intersection(period, in_search)
    return Query(condition, period.start, period.end, needles(searched))


def zone_from(params: Mapping[str, Sequence[str]]) -> tzinfo:
    """The zone that `tz` names, UTC without it. Raises BadRequest (`bad_parameter`)."""
    name = _zone_name(params)
    try:
        return zone_of(name)
    except ValueError:
        detail = f"Unknown time zone {name[:60]!r}. Use a name such as Europe/Berlin, or UTC."
        raise _bad("tz", detail, "UTC") from None


def _zone_name(params: Mapping[str, Sequence[str]]) -> str:
    given = {"tz": _values("tz", params["tz"])} if "tz" in params else {}
    return (_single_value(given, "tz") or "UTC").replace(" ", "+")  # as in Etc/GMT+5


def _values(name: str, values: Sequence[str]) -> list[str]:
    found = [value for value in ([values] if isinstance(values, str) else values) if value and not value.isspace()]
    if len(found) > MOST_VALUES:
        raise _bad(name, f"{name} can be given at most {MOST_VALUES} times.")
    for value in found:
        if name != "q" and any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
            raise _bad(name, f"{name} cannot contain NUL or half a character (a lone surrogate).")
    return found


def _single_value(given: Given, name: str) -> str | None:
    values = given.get(name, [])
    if len(values) > 1:
        raise _bad(name, f"{name} can be given only once.")
    return values[0].strip() if values else None


def _period(given: Given, clock: Clock) -> Between:
    start, end = (_moment(name, _single_value(given, name), clock) for name in ("start", "end"))
    period = Between(start.first if start else None, end.after if end else None)
    if period.start is not None and period.end is not None and period.start > period.end:
        raise _bad("start", "start is later than end. Swap them.")
    return period


def _moment(name: str, text: str | None, clock: Clock) -> DateOrTime | None:
    if text is None:
        return None
    try:
        return clock.read(_LOST_PLUS.sub(r"\1+\2", text))
    except ValueError:
        raise _bad(name, f"{name} is not a valid date or time. Write {FORMS}.", clock.near(text)) from None


def _field(name: str, values: list[str], clock: Clock) -> Condition:
    if name == "user":  # no address has a blank before its @: a plus sign was not percent-encoded
        values = [*values, *(_LOST_PLUS_OF_ADDRESS.sub("+", value) for value in values)]
    try:
        return any_of(condition_of(QUALIFIERS[name], value, clock) for value in values)
    except BadValue as problem:
        raise _bad(name, problem.detail, problem.suggestion) from None


def _searched(given: Given, now: int, zone: str) -> Condition:
    found = tuple(dict.fromkeys(parse(text, now=now, zone=zone) for text in given.get("q", [])))
    return found[0] if len(found) == 1 else Or(found) if found else EVERYTHING


def _split(condition: Condition) -> tuple[Between, list[Condition]]:
    """The period that every match must lie in, and the rest of the condition: the store reads by time."""
    if isinstance(condition, Between):
        return condition, []
    if not isinstance(condition, And):
        return Between(), [condition]
    period, rest = Between(), []
    for part in condition.conditions:
        within, others = _split(part)
        period = _overlap(period, within)
        rest += others
    return period, rest


def _intersection(chosen: Between, in_search: Between) -> Between:
    period = _overlap(chosen, in_search)
    if in_search != Between() and period.start is not None and period.end is not None and period.start >= period.end:
        raise _bad("q", "The search names a time outside the chosen date range. Widen the date range.")
    return period


def _overlap(one: Between, other: Between) -> Between:
    starts = [bound for bound in (one.start, other.start) if bound is not None]
    ends = [bound for bound in (one.end, other.end) if bound is not None]
    return Between(max(starts, default=None), min(ends, default=None))


def _bad(name: str, detail: str, suggestion: str | None = None) -> BadRequest:
    extra = {"suggestion": suggestion} if suggestion else {}
    return BadRequest(detail, code="bad_parameter", parameter=name, **extra)
