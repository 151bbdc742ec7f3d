"""Brings lost events back from the tail of the journal."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from tallystick.database.engine import Database
from tallystick.integrity.verified_restore import RestoreLease, insert_as_in_log
from tallystick.journal import tail
from tallystick.journal.missing_ranges import IndexGap
from tallystick.store.events import EventStore
from tallystick.work.stop_signal import check_stop

EVENTS_AT_ONCE = 20_000
logger = structlog.get_logger(__name__)


def restore_from_tail(database: Database, store: EventStore, org_id: UUID, gaps: Sequence[IndexGap]) -> int:
    """Insert again what the tail still holds of the gaps; returns the number of events. Raises StoreError."""
    with RestoreLease(database) as lease:
        restored = sum(_restore_gap(database, store, org_id, gap, lease) for gap in gaps)
    if restored:
        logger.warning("events_restored_from_tail", org_id=str(org_id), events=restored)
    return restored


def _restore_gap(database: Database, store: EventStore, org_id: UUID, gap: IndexGap, lease: RestoreLease) -> int:
    restored, at = 0, gap.first
    while at <= gap.last:
        check_stop()
        with database.write() as connection:
            if not lease.hold(connection):
                break
            batches = tail.read(connection, org_id, at, gap.last + 1, most=EVENTS_AT_ONCE)
        if not batches:
            break
        end = min(batches[-1].end, gap.last + 1)
        held = store.present(org_id, at, end)
        kept = [
            (index, record)
            for batch in batches
            for index, record in enumerate(batch.records, batch.first)
            if at <= index < end and index not in held
        ]
        restored += len(kept) - len(insert_as_in_log(database, store, org_id, kept, lease))
        at = end
    return restored
