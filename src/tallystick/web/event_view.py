"""An event as the table shows it: words only, escaped later by the templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from tallystick import ids
from tallystick.clock import from_us, rfc3339
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.events.words import first
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
    category: str
    status: str
    status_words: str


def row_of(stored: StoredEvent, zone: tzinfo) -> Row:
    """The line for an event; times in `zone`."""
    event = event_of(stored)
    moment = from_us(stored.occurred_at).astimezone(zone)
    actor, resource = event.get("actor", {}), event.get("resource", {})
    return Row(
        index=stored.index,
        id=ids.encode("evt", stored.id),
        date=f"{moment:%Y-%m-%d}",
        time=f"{moment:%H:%M:%S}",
        iso=rfc3339(stored.occurred_at),
        user=first(actor, "email", "name", "id", "type"),
        user_title=_all(actor, "name", "email", "id"),
        action=event["action"],
        description=event.get("description", ""),
        resource=first(resource, "name", "id"),
        resource_title=_all(resource, "type", "name", "id"),
        ip_address=event.get("context", {}).get("ip_address", ""),
        category=CATEGORIES.get(event["category"], event["category"]),
        status=event["status"],
        status_words=STATUS_WORDS.get(event["status"], event["status"]),
    )


def _all(thing: Mapping[str, Any], *names: str) -> str:
    return " · ".join(dict.fromkeys(str(thing[name]) for name in names if thing.get(name)))
