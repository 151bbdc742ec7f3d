"""The event as it is returned, streamed and shown."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tallystick.clock import SECOND_US, rfc3339
from tallystick.events.action_catalogue import ActionCatalogue
from tallystick.events.copies import resources_of
from tallystick.events.record import Record, StoredEvent
from tallystick.events.summary import summary
from tallystick.ids import encode
from tallystick.merkle.remains import lost_parts

SKEW = SECOND_US  # clocks that differ by less are not worth a word
# What an answer adds to what a client may send.
ADDED = frozenset({
    "id", "index", "received_at", "recorded_by", "known", "summary", "redacted", "clock_skew", "erased", "erased_by",
})  # fmt: skip

# Of an event whose `what` was erased.
_UNTOLD: dict[str, Any] = {
    "action": "", "category": "", "status": "", "recorded_by": {"type": "", "id": "", "name": ""},
}  # fmt: skip

_object = msgspec.json.Decoder(dict[str, Any]).decode


def event_of(stored: StoredEvent) -> dict[str, Any]:
    """The event as JSON values: what was sent, with the defaults filled in, and the fields of ADDED.

    `resources` is present only if there are several. `redacted` and `enriched` are present only if something was,
    `clock_skew` only if true, `erased` only if the event lost parts: fields of those are absent or empty. Events of
    earlier versions have no `severity`.
    """
    erased = lost_parts(stored.remains)
    what, target, who, details = (
        _object(part or b"{}") for part in (stored.what, stored.target, stored.who, stored.details)
    )
    if "what" in erased:
        what = {**_UNTOLD, "timestamp": rfc3339(stored.occurred_at)}
    if "who" in erased:
        who = {"actor": {}}
    recorded_by = what.pop("recorded_by")
    resources = resources_of(target)
    event = {
        "id": encode("evt", stored.id),
        "index": stored.index,
        "received_at": rfc3339(stored.received_at),
        **what,
        "known": stored.catalogue.find(what["action"]) is not None,
        "summary": _summary(stored.catalogue, what, who, resources, details),
        **who,
    }
    if resources:
        event["resource"] = resources[0]
    if len(resources) > 1:
        event["resources"] = resources
    event.update(details)
    event["recorded_by"] = recorded_by
    if stored.occurred_at > stored.received_at + SKEW:
        event["clock_skew"] = True
    if erased:
        event["erased"] = list(erased)
    return event


def event_of_record(record: Record, index: int) -> dict[str, Any]:
    """As `event_of`, for a record that is not in the store yet."""
    return event_of(
        StoredEvent(
            index, record.id, record.received_at, record.occurred_at,
            record.what, record.target, record.who, record.details, record.seed, record.remains,
        )
    )  # fmt: skip


def _summary(
    catalogue: ActionCatalogue,
    what: dict[str, Any],
    who: dict[str, Any],
    resources: Sequence[dict[str, Any]],
    details: dict[str, Any],
) -> str:
    if not what["action"]:
        return "What happened was erased"
    first, others = resources[0] if resources else {}, max(len(resources) - 1, 0)
    return summary(what["action"], what["status"], who["actor"], first, others, catalogue=catalogue, details=details)
