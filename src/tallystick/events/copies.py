"""The search columns of an event, recomputed from the four parts they are copied from."""

from typing import Any

import msgspec

from tallystick.events.details import walker_for
from tallystick.events.incoming import EventInput
from tallystick.events.record import Record, StoredEvent
from tallystick.merkle.commitment import PARTS
from tallystick.merkle.remains import lost_parts

_object = msgspec.json.Decoder(dict[str, Any]).decode
_NOTHING_SECRET: frozenset[str] = frozenset()  # what was secret is redacted in the parts already


def record_of(event: StoredEvent, entry: bytes = b"") -> Record:
    """The record of the event, recomputed from its parts alone. Raises msgspec.DecodeError or KeyError.

    A field of an erased part is "" in the record.
    """
    erased = lost_parts(event.remains)
    what, target, who, details = (
        {} if name in erased else _object(part)
        for name, part in zip(PARTS, (event.what, event.target, event.who, event.details), strict=True)
    )
    if "what" in erased:
        what = {"action": "", "category": "", "status": ""}
    actor, context = {} if "who" in erased else who["actor"], who.get("context") or {}
    behalf = actor.get("on_behalf_of") or {}
    paths: list[str] = []
    values: list[str] = []
    given = {name: details.get(name) for name in ("changes", "request", "response", "metadata")}
    walker_for(_NOTHING_SECRET).walk(EventInput(what["action"], **given), (paths, values, []))
    return Record(
        event.id, event.received_at, event.occurred_at, event.seed, entry,
        event.what, event.target, event.who, event.details,
        what["action"], what["category"], what["status"], details.get("description", ""),
        actor.get("type", ""), actor.get("id", ""), actor.get("email", ""), actor.get("name", ""),
        behalf.get("id", ""), behalf.get("email", ""), behalf.get("name", ""),
        target.get("type", ""), target.get("id", ""), target.get("name", ""),
        context.get("ip_address", ""), context.get("session_id", ""), context.get("request_id", ""),
        tuple(paths), tuple(values), event.remains,
    )  # fmt: skip


def stamp_of(event: StoredEvent) -> str | None:
    """The timestamp in the first part: RFC 3339 in UTC to the microsecond; None if that part was erased."""
    if "what" in lost_parts(event.remains):
        return None
    return str(_object(event.what)["timestamp"])
