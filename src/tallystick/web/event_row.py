"""An event as a row of the table: plain text, escaped by the templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from tallystick import ids
from tallystick.clock import from_us, rfc3339
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.events.words import first_present
from tallystick.query.own_records import is_own_record
from tallystick.web.filters import CATEGORIES
from tallystick.web.match_snippet import match_snippet

ERASED = "erased"  # shown in place of an erased value
STATUS_LABELS = {"success": "Success", "failed": "Failed"}


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of the event table.

    `agent_words`: of an event that an AI agent made, for whom it acted (`for sarah@acme.com`, `on its own`); "" for
    others. `status_reason` is that of a failure alone, `sentence` that of an action of the organization's own.
    """

    index: int
    id: str
    date: str
    time: str
    iso: str
    user: str
    user_title: str
    agent_words: str
    action: str
    description: str
    resource: str
    resource_title: str
    other_resources: int
    ip_address: str
    category: str
    status: str
    status_words: str
    status_reason: str
    sentence: str
    match_snippet: str
    is_own_record: bool


def event_row(stored: StoredEvent, zone: tzinfo, needles: tuple[str, ...] = ()) -> EventRow:
    """The row of an event; times in `zone`. With `needles`, a match that no cell shows is added as `match_snippet`."""
    event = event_of(stored)
    moment = from_us(stored.occurred_at).astimezone(zone)
    actor, resource = event.get("actor", {}), event.get("resource", {})
    resources = event.get("resources") or [resource]
    reason = event.get("status_reason", "") if event["status"] == "failed" else ""
    erased = dict.fromkeys(event.get("erased", ()), ERASED)
    status_words = STATUS_LABELS.get(event["status"], event["status"])
    user = first_present(actor, "email", "name", "id", "type") or erased.get("who", "")
    resource_shown = first_present(resource, "name", "id") or erased.get("target", "")
    action, description = event["action"], event.get("description", "")
    address = event.get("context", {}).get("ip_address", "")
    agent_words = _agent_words(actor)
    sentence = event["summary"] if action in stored.catalogue.own else ""
    shown = (user, agent_words, action, description or sentence, resource_shown, address, status_words, reason)
    return EventRow(
        index=stored.index,
        id=ids.encode("evt", stored.id),
        date=f"{moment:%Y-%m-%d}",
        time=f"{moment:%H:%M:%S}",
        iso=rfc3339(stored.occurred_at),
        user=user,
        user_title=_joined(actor, "name", "email", "id"),
        agent_words=agent_words,
        action=action or erased.get("what", ""),
        description=description or erased.get("details", ""),
        resource=resource_shown,
        resource_title="\n".join(_joined(one, "type", "name", "id", "role") for one in resources),
        other_resources=max(len(resources) - 1, 0),
        ip_address=address,
        category=CATEGORIES.get(event["category"], event["category"]),
        status=event["status"],
        status_words=status_words,
        status_reason=reason,
        sentence=sentence,
        match_snippet=match_snippet(event, shown, needles),
        is_own_record=is_own_record(stored.what),
    )


def _agent_words(actor: Mapping[str, Any]) -> str:
    if actor.get("type") != "agent":
        return ""
    person = first_present(actor.get("on_behalf_of", {}), "email", "name", "id")
    return f"for {person}" if person else "on its own"


def _joined(thing: Mapping[str, Any], *names: str) -> str:
    return " · ".join(dict.fromkeys(str(thing[name]) for name in names if thing.get(name)))
