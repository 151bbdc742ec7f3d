"""Tables that say where the facts of a foreign audit log's records go in an event, and the events they make.

A place in a record is written `actor.id`, within the entries of a list `target[].id`; alternatives, of which the first
with a value counts, are separated by ` | `. Whatever no rule takes becomes `metadata`, so that nothing is lost.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Record = Mapping[str, Any]
MOST_RESOURCES = 20
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class FieldRule:
    """A field of the event and its places in a record.

    `read` turns a value into the field's, or None; `words` say how. `keeps`: the value stays in `metadata` too, since
    the field says less. `when`: the records that it is for.
    """

    name: str
    places: str
    read: Callable[[Any], Any] = lambda value: value
    words: str = ""
    keeps: bool = False
    when: Callable[[Record], bool] = lambda _record: True


@dataclass(frozen=True)
class ResourceRule:
    """Resources of the event: one for each entry of the list `within`, or one of the record itself.

    `type`, `id`, `name` and `role` are places within the entry; one that begins with `=` is the value itself.
    """

    type: str
    id: str = ""
    name: str = ""
    role: str = ""
    within: str = ""
    when: Callable[[Record], bool] = lambda _record: True


@dataclass(frozen=True)
class SourceTable:
    """How the records of one audit log become events.

    `kept` says of places whose values stay in `metadata` why they do.
    """

    name: str
    title: str
    documentation: Sequence[tuple[str, str]]
    fields: Sequence[FieldRule]
    resources: Sequence[ResourceRule]
    kept: Mapping[str, str]
    fixed: Mapping[str, str] = field(default_factory=dict)

    def event_of(self, record: Record) -> dict[str, Any]:
        """The event that is sent for a record."""
        event: dict[str, Any] = {}
        taken: set[str] = set()
        for name, value in self.fixed.items():
            _put(event, name, value)
        for rule in self.fields:
            for place in rule.places.split(" | ") if rule.when(record) else ():
                value = rule.read(value_at(record, place))
                if _is_given(value) and not _is_given(value_at(event, rule.name)):
                    _put(event, rule.name, value)
                    if not rule.keeps:
                        taken.add(place)
        resources = [one for rule in self.resources if rule.when(record) for one in _resources(rule, record, taken)]
        event["resources"] = resources[:MOST_RESOURCES]
        event["metadata"] = without(record, taken)
        return {name: value for name, value in event.items() if _is_given(value)}


def value_at(record: Any, place: str) -> Any:
    """The value at a place; None if there is none. The place `` is the record itself."""
    value = record
    for name in _steps(place):
        if name == "[]":
            value = value[0] if isinstance(value, list) and value else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def places_in(value: Any, place: str = "") -> Iterator[str]:
    """The place of each single value."""
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from places_in(one, f"{place}.{_escape(name)}" if place else _escape(name))
    elif isinstance(value, list) and value:
        for one in value:
            yield from places_in(one, f"{place}[]")
    else:
        yield place


def without(record: Any, taken: set[str], place: str = "") -> Any:
    """The record without what is at or below the taken places, and without what is empty then."""
    if place in taken:
        return None
    if isinstance(record, Mapping):
        left = {
            name: without(one, taken, f"{place}.{_escape(name)}" if place else _escape(name))
            for name, one in record.items()
        }
        return {name: one for name, one in left.items() if _is_given(one)}
    if isinstance(record, list):
        return [one for one in (without(one, taken, f"{place}[]") for one in record) if _is_given(one)]
    return record


def snake(text: str) -> str:
    """`Add member to role.` as `add_member_to_role`."""
    return re.sub(r"[^a-z0-9]+", "_", _WORD_START.sub("_", text).lower()).strip("_")


def action(noun: str = "") -> Callable[[Any], str | None]:
    """Reads an action: dotted as it is, or with `noun` before it; each part in snake case."""

    def read(value: Any) -> str | None:
        if not isinstance(value, str) or not value:
            return None
        parts = [snake(part) for part in re.split(r"[./:]", value)]
        words = [part for part in ([noun, *parts] if noun else parts) if part]
        return ".".join(words if len(words) > 1 else ["event", *words])[:100]

    return read


def one_of(words: Mapping[Any, str], other: str | None = None) -> Callable[[Any], str | None]:
    """Reads one of some values as another; any other value as `other`."""
    return lambda value: None if value is None else words.get(value, other)


def from_seconds(value: float) -> str:
    """Seconds since 1970 as a time."""
    return datetime.fromtimestamp(value, UTC).isoformat()


def text(value: Any) -> str | None:
    """A text, number or truth value as text."""
    return None if value in (None, "", [], {}) or isinstance(value, Mapping | list) else str(value)


def _resources(rule: ResourceRule, record: Record, taken: set[str]) -> Iterator[dict[str, Any]]:
    entries = value_at(record, rule.within) if rule.within else [record]
    for entry in entries if isinstance(entries, list) else []:
        found = {}
        for name in ("type", "id", "name", "role"):
            for place in getattr(rule, name).split(" | "):
                value = place[1:] if place.startswith("=") else text(value_at(entry, place)) if place else None
                if value and name not in found:
                    found[name] = snake(value) if name == "type" else value[:1024]
                    if not place.startswith("="):
                        taken.add(f"{rule.within}[].{place}" if rule.within else place)
        if "id" in found or "name" in found:
            yield found


def _put(event: dict[str, Any], name: str, value: Any) -> None:
    *outer, last = name.split(".")
    for one in outer:
        event = event.setdefault(one, {})
    event[last] = value


def _steps(place: str) -> list[str]:
    """`a.b[].c` as `a`, `b`, `[]`, `c`; a dot within a name is written `\\.`."""
    parts = re.split(r"(?<!\\)\.", place.replace("[]", ".[]")) if place else []
    return [part.replace("\\.", ".") for part in parts if part]


def _escape(name: str) -> str:
    return name.replace(".", "\\.")


def _is_given(value: Any) -> bool:
    return value not in (None, "", [], {})
