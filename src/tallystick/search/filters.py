"""Filters: the named parameters of API, pages and command line to a Query."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from tallystick.errors import BadRequest
from tallystick.query.conditions import And, Between, Condition, Equals, InNetwork, Or, Query
from tallystick.search.grammar import equals, needles, network, parse
from tallystick.search.moments import is_date, moment, zone_named

P = ParamSpec("P")
T = TypeVar("T")

# The parameter, and the qualifier of the search box that means the same.
EQUAL = {
    "user": "user",
    "action": "action",
    "status": "status",
    "category": "category",
    "resource": "resource",
    "resource_type": "type",
}
NAMES = (*EQUAL, "ip", "q", "start", "end", "tz")


def query_from(parameters: Mapping[str, Sequence[str]], *, now: int) -> Query:
    """The query of these parameters; blank values count as absent, unknown names are the caller's to refuse.

    Values of one name are alternatives, names together narrow. Raises BadRequest (`bad_parameter`, with
    `parameter`) and QueryMistake.
    """
    given = {name: [one for one in parameters.get(name, ()) if one.strip()] for name in NAMES}
    zone = _zone(given["tz"])
    conditions: list[Condition] = []
    for name, qualifier in EQUAL.items():
        if given[name]:
            found = [_checked(name, equals, qualifier, value) for value in given[name]]
            conditions.append(Equals(found[0].field, tuple(p for one in found for p in one.patterns)))
    if given["ip"]:
        networks = [_checked("ip", network, value) for value in given["ip"]]
        conditions.append(InNetwork(tuple(n for one in networks for n in one.networks)))
    searches = [parse(text, now=now, zone=zone.key) for text in given["q"]]
    if searches:
        conditions.append(searches[0] if len(searches) == 1 else Or(tuple(searches)))
    span = _Span(_bound("start", given["start"], zone), _bound("end", given["end"], zone))
    if span.start is not None and span.end is not None and span.start >= span.end:
        raise _bad("end", "The end lies before the start, or at it. Swap them, or choose a longer time.")
    marked = tuple(dict.fromkeys(word for search in searches for word in needles(search)))
    return _hoisted(conditions, span, marked)


@dataclass(frozen=True, slots=True)
class _Span:
    start: int | None
    end: int | None

    def within(self, other: Between) -> "_Span":
        starts = [one for one in (self.start, other.start) if one is not None]
        ends = [one for one in (self.end, other.end) if one is not None]
        return _Span(max(starts, default=None), min(ends, default=None))


def _hoisted(conditions: Sequence[Condition], span: _Span, marked: tuple[str, ...]) -> Query:
    """The query with every time that all events must keep in its span, where it narrows what is read."""
    kept: list[Condition] = []
    waiting = list(reversed(conditions))
    while waiting:
        one = waiting.pop()
        if isinstance(one, And):
            waiting += reversed(one.conditions)
        elif isinstance(one, Between):
            span = span.within(one)
        else:
            kept.append(one)
    return Query(kept[0] if len(kept) == 1 else And(tuple(kept)), span.start, span.end, marked)


def _zone(values: Sequence[str]) -> ZoneInfo:
    return _checked("tz", zone_named, _single("tz", values) or "UTC")


def _bound(name: str, values: Sequence[str], zone: ZoneInfo) -> int | None:
    text = _single(name, values)
    if text is None:
        return None
    text = text.strip()

    def read(value: str) -> int:
        return moment(value, zone, next_day=name == "end" and is_date(value))

    return _checked(name, read, text)


def _single(name: str, values: Sequence[str]) -> str | None:
    if len(set(values)) > 1:
        raise _bad(name, f"{name} is given more than once.")
    return values[0] if values else None


def _checked(name: str, read: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    try:
        return read(*arguments, **named)
    except ValueError as mistake:
        raise _bad(name, f"{name}: {mistake}.") from None


def _bad(name: str, detail: str) -> BadRequest:
    return BadRequest(detail, code="bad_parameter", parameter=name)
