"""An event as the table and the panel show it: words only, escaped later by the templates."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from tallystick import ids
from tallystick.clock import from_us, rfc3339
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.web.filters import CATEGORIES

STATUS_WORDS = {"success": "Success", "failed": "Failed"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    index: int
    id: str
    date: str
    time: str
    iso: str
    user: str
    user_title: str
    action: str
    description: str
    resource: str
    resource_title: str
    ip_address: str
    status: str
    status_words: str


class Fact(NamedTuple):
    """A labelled value; `is_code` for what is copied rather than read."""

    label: str
    value: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One changed field; `before` is None where the event says only what is there now."""

    field: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One event, whole."""

    row: Row
    summary: str
    facts: list[Fact]
    more: list[Fact]
    changes: list[Change]
    documents: list[tuple[str, str, int]]  # title, JSON text, number of fields
    json: str


def row_of(stored: StoredEvent, zone: tzinfo) -> Row:
    """The line for an event; times in `zone`."""
    return _row(stored, event_of(stored), zone)


def panel_of(stored: StoredEvent, zone: tzinfo) -> Panel:
    """Everything an event says; times in `zone`."""
    event = event_of(stored)
    row = _row(stored, event, zone)
    documents = [
        (title, _pretty(event[name]), len(event[name]))
        for name, title in (("request", "Request"), ("response", "Response"), ("metadata", "Metadata"))
        if event.get(name)
    ]
    return Panel(
        row=row,
        summary=event.get("summary", ""),
        facts=_facts(stored, event, row, zone),
        more=_more(stored, event, zone),
        changes=[_change(name, value) for name, value in event.get("changes", {}).items()],
        documents=documents,
        json=_pretty(event),
    )


def exact_time(at_us: int, zone: tzinfo) -> str:
    """`2024-01-15 14:30:45.120 UTC`: milliseconds, or microseconds where there are any, and the zone."""
    moment = from_us(at_us).astimezone(zone)
    fraction = f"{moment.microsecond:06d}"
    fraction = fraction[:3] if fraction.endswith("000") else fraction
    return f"{moment:%Y-%m-%d %H:%M:%S}.{fraction} {_zone_words(moment)}"


def _zone_words(moment: datetime) -> str:
    name, offset = moment.tzname() or "", moment.strftime("%z")
    if name == "UTC":
        return "UTC"
    words = f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{name} ({words})" if name.isalpha() else words


def _row(stored: StoredEvent, event: Mapping[str, Any], zone: tzinfo) -> Row:
    moment = from_us(stored.occurred_at).astimezone(zone)
    actor, resource = event.get("actor", {}), event.get("resource", {})
    return Row(
        index=stored.index,
        id=ids.encode("evt", stored.id),
        date=f"{moment:%Y-%m-%d}",
        time=f"{moment:%H:%M:%S}",
        iso=rfc3339(stored.occurred_at),
        user=_first(actor, "email", "name", "id", "type"),
        user_title=_all(actor, "name", "email", "id"),
        action=event["action"],
        description=event.get("description", ""),
        resource=_first(resource, "name", "id"),
        resource_title=_all(resource, "type", "name", "id"),
        ip_address=event.get("context", {}).get("ip_address", ""),
        status=event["status"],
        status_words=STATUS_WORDS.get(event["status"], event["status"]),
    )


def _facts(stored: StoredEvent, event: Mapping[str, Any], row: Row, zone: tzinfo) -> list[Fact]:
    """What one asks first."""
    actor, context = event.get("actor", {}), event.get("context", {})
    skew = " (ahead of this server's clock)" if event.get("clock_skew") else ""
    found = [
        Fact("Event ID", row.id, is_code=True),
        Fact("Timestamp", exact_time(stored.occurred_at, zone) + skew),
        Fact("User", _person(actor)),
        Fact("On behalf of", _person(actor.get("on_behalf_of", {}))),
        Fact("Action", row.action + ("" if event.get("known", True) else " (not in the catalogue)"), is_code=True),
        Fact("Description", row.description),
        Fact("Resource", _resource(event.get("resource", {}))),
        Fact("IP address", row.ip_address, is_code=True),
        Fact("User agent", context.get("user_agent", "")),
        Fact("Status", row.status_words),
        Fact("Redacted", ", ".join(event.get("redacted", ())), is_code=True),
    ]
    return [fact for fact in found if fact.value]


def _more(stored: StoredEvent, event: Mapping[str, Any], zone: tzinfo) -> list[Fact]:
    """What one asks when following a trace, or doubting one."""
    context = event.get("context", {})
    found = [
        Fact("Category", CATEGORIES.get(event["category"], event["category"])),
        Fact("Source", context.get("source", "")),
        Fact("Session ID", context.get("session_id", ""), is_code=True),
        Fact("Request ID", context.get("request_id", ""), is_code=True),
        Fact("Trace ID", context.get("trace_id", ""), is_code=True),
        Fact("External ID", event.get("external_id", ""), is_code=True),
        Fact("Received", exact_time(stored.received_at, zone)),
        Fact("Recorded by", _person(event.get("recorded_by", {}))),
        Fact("Ledger index", f"{stored.index:,}"),
    ]
    return [fact for fact in found if fact.value]


def _resource(resource: Mapping[str, Any]) -> str:
    """`api-infrastructure (prj_88) · project`: name and id, then the type."""
    head, identity = _first(resource, "name", "id"), resource.get("id", "")
    words = head if identity in ("", head) else f"{head} ({identity})"
    return " · ".join(text for text in (words, resource.get("type", "")) if text)


def _person(actor: Mapping[str, Any]) -> str:
    """`sarah@acme.com (usr_456) · Sarah Lin`: e-mail and id first, then the name and what kind it is."""
    head = _first(actor, "email", "name", "id")
    identity = actor.get("id", "")
    words = head if identity in ("", head) else f"{head} ({identity})"
    kind = str(actor.get("type", "")).replace("_", " ")
    rest = [text for text in (actor.get("name", ""), kind if kind != "user" else "") if text and text != head]
    return " · ".join([words, *rest]) if words else kind


def _change(name: str, value: Any) -> Change:
    if isinstance(value, dict) and value and value.keys() <= {"before", "after"}:
        return Change(name, _shown(value.get("before", "")), _shown(value.get("after", "")))
    return Change(name, None, _shown(value))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else _pretty(value)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _first(thing: Mapping[str, Any], *names: str) -> str:
    return next((str(thing[name]) for name in names if thing.get(name)), "")


def _all(thing: Mapping[str, Any], *names: str) -> str:
    return " · ".join(dict.fromkeys(str(thing[name]) for name in names if thing.get(name)))
