"""The search columns of an event, recomputed from the four parts they are copied from."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tallystick.events.details import walker_for
from tallystick.events.incoming import EventInput
from tallystick.events.record import CONTEXT_FIELDS, Record, StoredEvent
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
        what = {"action": "", "category": "", "status": "", "recorded_by": {}}
    actor, context = {} if "who" in erased else who["actor"], who.get("context") or {}
    behalf = actor.get("on_behalf_of") or {}
    recorder = what.get("recorded_by", {})
    first, *others = resources_of(target) or ({},)
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
        first.get("type", ""), first.get("id", ""), first.get("name", ""),
        context.get("ip_address", ""), context.get("session_id", ""), context.get("request_id", ""),
        tuple(paths), tuple(values), event.remains,
        what.get("severity", ""), what.get("external_id", ""),
        recorder.get("id", ""), recorder.get("email", ""), recorder.get("name", ""),
        details.get("status_reason", ""), details.get("original_action", ""),
        tuple(one.get("type", "") for one in others), tuple(one.get("id", "") for one in others),
        tuple(one.get("name", "") for one in others),
        *(context.get(name, "") for name in CONTEXT_FIELDS),
    )  # fmt: skip


def resources_of(target: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """The resources in the part `target`: it is one, or has several as `resources`."""
    several: Sequence[dict[str, Any]] | None = target.get("resources")
    if several is not None:
        return several
    return (target,) if target else ()


def complete(record: Record) -> Record:
    """The record with every field that its parts have: one of an earlier version lacks some.

    One whose parts cannot be read stays as it is.
    """
    if record.severity:
        return record
    stored = StoredEvent(
        0, record.id, record.received_at, record.occurred_at, record.what, record.target, record.who, record.details,
        record.seed, record.remains,
    )  # fmt: skip
    try:
        return record_of(stored, record.entry)
    except (msgspec.DecodeError, KeyError, ValueError, TypeError, AttributeError):
        return record


def stamp_of(event: StoredEvent) -> str | None:
    """The timestamp in the first part: RFC 3339 in UTC to the microsecond; None if that part was erased."""
    if "what" in lost_parts(event.remains):
        return None
    return str(_object(event.what)["timestamp"])
