"""Tallystick's own events, on their way from the outbox into the trail."""

from collections.abc import Iterator
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Connection

from tallystick.errors import TallystickError
from tallystick.events.catalogue import LASTING
from tallystick.events.geoip import FindAddress
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.events.prepared import Prepared
from tallystick.outbox import write as outbox
from tallystick.query.scope import TALLYSTICK

MOST_PER_COMMIT = 500
logger = structlog.get_logger(__name__)


def take_prepared(
    connection: Connection,
    org_id: UUID,
    *,
    now: int,
    redacted_keys: frozenset[str],
    find_address: FindAddress | None = None,
) -> Iterator[Prepared]:
    """The organization's waiting own events, prepared; they leave the outbox in this transaction.

    Records that explain deletions enter the trail unredacted, and one that cannot be recorded as it is keeps waiting:
    the deletion it announces may not happen before it is in the log.
    """
    waiting = outbox.take(connection, org_id, MOST_PER_COMMIT)
    taken: list[outbox.OutboxEntry] = []
    for entry in waiting:
        try:
            yield from prepare_entry(entry, now=now, redacted_keys=redacted_keys, find_address=find_address)
        except (TallystickError, msgspec.ValidationError) as error:
            if _lasts(entry):
                logger.error("record_waits", action=entry.event.get("action"), error=str(error))
                continue
            # Better in the trail without its particulars than not in the trail.
            logger.error("own_action_invalid", action=entry.event.get("action"), error=str(error))
            yield from _without_particulars(entry, str(error)[:500], now, redacted_keys)
        taken.append(entry)
    outbox.delete(connection, taken)


def prepare_entry(
    entry: outbox.OutboxEntry, *, now: int, redacted_keys: frozenset[str], find_address: FindAddress | None = None
) -> list[Prepared]:
    """The event of an entry as it enters the trail `now`. TallystickError or ValidationError if it cannot."""
    event = msgspec.convert(dict(entry.event), EventInput)
    hidden = frozenset[str]() if _lasts(entry) else redacted_keys
    return prepare(
        [event], received_at=now, recorded_by=entry.recorded_by, redacted_keys=hidden, find_address=find_address
    )


def _lasts(entry: outbox.OutboxEntry) -> bool:
    return entry.recorded_by == TALLYSTICK and entry.event.get("action") in LASTING


def _without_particulars(
    entry: outbox.OutboxEntry, problem: str, now: int, redacted_keys: frozenset[str]
) -> list[Prepared]:
    """The event with actor, action and resource, if those can be recorded; else with the action alone."""
    bare = {"action": entry.event["action"], "metadata": {"problem": problem}}
    named = {name: entry.event[name] for name in ("actor", "resource", "context") if name in entry.event}
    try:
        event = msgspec.convert(bare | named, EventInput)
        return prepare([event], received_at=now, recorded_by=entry.recorded_by, redacted_keys=redacted_keys)
    except (TallystickError, msgspec.ValidationError):
        event = msgspec.convert(bare, EventInput)
        return prepare([event], received_at=now, recorded_by=entry.recorded_by, redacted_keys=redacted_keys)
