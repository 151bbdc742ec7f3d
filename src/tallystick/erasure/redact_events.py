"""Removal of parts of events: from the event store, from events set aside, and from the remembered external ids."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, update

from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.events.copies import record_of
from tallystick.events.record import Record
from tallystick.ingest.tables import external_ids
from tallystick.journal import set_aside
from tallystick.merkle.remains import NO_SEED, lost_parts, mask_of, parts_of, remains_without
from tallystick.search.paging import as_stored_event
from tallystick.store import erasing
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore

PartSets = Mapping[int, Sequence[int]]
"""For each set of parts (bits), the indexes of the events that lose them."""

_LOOKUP = 400
_NO_DIGEST = bytes(32)


def redact_events(database: Database, store: EventStore, org_id: UUID, sets: PartSets) -> int:
    """Remove the parts everywhere; idempotent. Returns the event store's time from which no query sees them.

    Call it only when the store is not busy with an earlier attempt; events that already lost the parts are skipped.
    StoreError.
    """
    scope = operator_scope(org_id)
    if any(erasing.not_yet_erased(store, scope, listed, mask) for mask, listed in sets.items()):
        erasing.clear_marks(store, scope)
        for mask, listed in sets.items():
            erasing.mark_parts(store, scope, listed, mask)
        erasing.erase_marked(store, scope)
        if any(erasing.not_yet_erased(store, scope, listed, mask) for mask, listed in sets.items()):
            # A process that had stood still took the marks away meanwhile.
            raise StoreError("the event store has not erased all that was marked")
    done_at = erasing.drop_deleted(store)
    with database.write() as connection:
        _redact_set_aside(connection, org_id, sets)
        for mask, listed in sets.items():
            _forget_external_ids(connection, org_id, listed, mask)
    return done_at


def without_parts(record: Record, mask: int) -> Record:
    """The record of an event that is set aside, without the parts of `mask`."""
    parts = (record.what, record.target, record.who, record.details)
    remains = remains_without(mask, record.remains, record.seed, parts)
    left = msgspec.structs.replace(
        as_stored_event(0, record), seed=NO_SEED, remains=remains, **dict.fromkeys(parts_of(mask), b"")
    )
    return record_of(left, record.entry)


def _redact_set_aside(connection: Connection, org_id: UUID, sets: PartSets) -> None:
    aside = dict(set_aside.of_organization(connection, org_id))
    for mask, listed in sets.items():
        for index in aside.keys() & set(listed):
            aside[index] = without_parts(aside[index], mask)
            set_aside.rewrite(connection, org_id, index, aside[index])


def _forget_external_ids(connection: Connection, org_id: UUID, listed: Sequence[int], mask: int) -> None:
    """Delete external ids that were in an erased part, and the digests of all of them.

    Other ids stay, so that sending the event again does not record it again. A digest of the sent event would let
    somebody confirm a guess of the erased text.
    """
    for start in range(0, len(listed), _LOOKUP):
        mine = (external_ids.c.org_id == org_id) & external_ids.c.log_index.in_(listed[start : start + _LOOKUP])
        if mask & mask_of(["what"]):
            connection.execute(delete(external_ids).where(mine))
        else:
            connection.execute(update(external_ids).where(mine).values(digest=_NO_DIGEST))


def indexes_with_parts(
    database: Database, store: EventStore, org_id: UUID, listed: Sequence[int], mask: int
) -> list[int]:
    """The indexes, of those given, whose events still have at least one of the parts."""
    with database.read() as connection:
        aside = set_aside.of_organization(connection, org_id)
    wanted, members = set(parts_of(mask)), set(listed)
    whole = [index for index, record in aside if index in members and not wanted <= set(lost_parts(record.remains))]
    return sorted({*whole, *erasing.not_yet_erased(store, operator_scope(org_id), listed, mask)})
