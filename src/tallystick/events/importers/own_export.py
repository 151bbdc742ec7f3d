"""Events of an export of Tallystick as they are sent again: without what a server added, under names a key may use."""

from typing import Any

from tallystick.events.output import ADDED
from tallystick.query.own_records import IMPORTED, RESERVED


def event_to_send(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it would be sent.

    Fields that a server added are left out, except that its id becomes the `external_id` of an event without one. An
    action that only Tallystick records is renamed, if a server returned the event; else the server refuses it.
    """
    sent = {name: value for name, value in event.items() if name not in ADDED}
    if isinstance(event.get("id"), str):
        sent.setdefault("external_id", event["id"])
        if "recorded_by" in event:
            sent = rename_reserved_action(sent)
    return sent


def rename_reserved_action(event: dict[str, Any]) -> dict[str, Any]:
    """The event, with `imported.` before an action that only Tallystick records."""
    action = event.get("action")
    is_reserved = isinstance(action, str) and action.startswith(RESERVED)
    return event | {"action": f"{IMPORTED}{action}"} if is_reserved else event


def is_imported_record(action: str) -> bool:
    """Whether the action is one that `rename_reserved_action` gives."""
    return action.startswith(IMPORTED + RESERVED)
