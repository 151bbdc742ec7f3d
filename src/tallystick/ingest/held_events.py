"""Finds the events of an import that this log holds already, under the event ids that an export gives as external ids.

An event without an external id of its own would otherwise be recorded again from its own log's export.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from tallystick import ids
from tallystick.errors import TallystickError
from tallystick.events.importers.own_export import event_to_send, is_imported_record
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.events.output import event_of
from tallystick.events.prepared import Prepared
from tallystick.events.record import StoredEvent
from tallystick.ingest.submission import KnownEvent
from tallystick.query.scope import Principal

FindEvents = Callable[[UUID, Sequence[bytes]], Awaitable[Mapping[bytes, StoredEvent]]]
"""Returns those of the events with these ids that an organization has, by id."""
_RENAMED_BY = Principal("api_key", "", "")


def event_ids_of(prepared: Sequence[Prepared]) -> dict[str, bytes]:
    """The external ids that are ids of events, each with its 16 bytes."""
    found = {}
    for external_id in {one.external_id for one in prepared if one.external_id.startswith("evt_")}:
        try:
            found[external_id] = ids.decode("evt", external_id)
        except ValueError:
            continue
    return found


def held_events(
    prepared: Sequence[Prepared], event_ids: Mapping[str, bytes], found: Mapping[bytes, StoredEvent]
) -> dict[str, KnownEvent]:
    """Those of the prepared events that are among `found`, by external id.

    A record of Tallystick is known by its id, whatever an import says in it; any other event only if it is the same.
    """
    known: dict[str, KnownEvent] = {}
    for one in prepared:
        held = found.get(event_ids.get(one.external_id, b""))
        if held is None:
            continue
        action, digest = _sent_again(held)
        is_record = is_imported_record(action) and one.record.action == action
        if is_record or (digest and digest == one.digest):
            known[one.external_id] = KnownEvent(held.id, held.index, held.occurred_at, digest)
    return known


def same_events(prepared: Sequence[Prepared], held: Sequence[StoredEvent | None]) -> list[bool]:
    """Whether each of the prepared events says what an export says of the held one beside it, defaults included."""
    pairs = zip(prepared, held, strict=True)
    return [event is not None and _sent_again(event)[1] == one.digest != b"" for one, event in pairs]


def _sent_again(held: StoredEvent) -> tuple[str, bytes]:
    """The action and the digest that the event has when its export is imported; "" and b"" if it cannot be sent."""
    try:
        event = msgspec.convert(event_to_send(event_of(held)), EventInput)
        [one] = prepare([event], received_at=held.received_at, recorded_by=_RENAMED_BY, redacted_keys=frozenset())
    except (TallystickError, msgspec.ValidationError):
        return "", b""
    return one.record.action, one.digest
