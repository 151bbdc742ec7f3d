"""Brings lost events back from the tail of the journal."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import structlog

from tallystick import clock, telemetry
from tallystick.database.engine import Database
from tallystick.events.record import Record
from tallystick.journal import tail
from tallystick.journal.missing_ranges import IndexGap
from tallystick.ledger.nodes import DetachedNodes
from tallystick.ledger.prover import entry_of_event
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.search.paging import as_stored_event
from tallystick.store import read_back
from tallystick.store.events import EventStore
from tallystick.work import leases
from tallystick.work.stop_signal import check_stop

EVENTS_AT_ONCE = 20_000
LEASE_SECONDS = 600
logger = structlog.get_logger(__name__)


def restore_from_tail(database: Database, store: EventStore, org_id: UUID, gaps: Sequence[IndexGap]) -> int:
    """Insert again what the tail still holds of the gaps; returns the number of events.

    Each event is compared with its entry in the log before it is inserted, and read back afterwards. Purges and
    erasures wait meanwhile, so that no event comes back after its deletion. Raises StoreError.
    """
    holder = uuid4().hex
    try:
        restored = sum(_restore_gap(database, store, org_id, gap, holder) for gap in gaps)
    finally:
        leases.end(database, leases.RESTORE_LEASE, holder)
    if restored:
        logger.warning("events_restored_from_tail", org_id=str(org_id), events=restored)
        telemetry.events_restored_total.inc(restored)
    return restored


def _restore_gap(database: Database, store: EventStore, org_id: UUID, gap: IndexGap, holder: str) -> int:
    restored, at = 0, gap.first
    while at <= gap.last:
        check_stop()
        with database.write() as connection:
            now = clock.now_us()
            if not leases.hold(connection, leases.RESTORE_LEASE, holder, now=now, seconds=LEASE_SECONDS):
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
        restored += _insert(database, store, org_id, kept)
        at = end
    return restored


def _insert(database: Database, store: EventStore, org_id: UUID, kept: Sequence[tuple[int, Record]]) -> int:
    runs: list[tuple[int, list[Record]]] = []
    for index, record in _as_in_log(database, org_id, kept):
        if runs and runs[-1][0] + len(runs[-1][1]) == index:
            runs[-1][1].append(record)
        else:
            runs.append((index, [record]))
    if runs:
        groups = [(org_id, first, records) for first, records in runs]
        store.insert(groups, f"restored-{uuid4()}")
        read_back.check_rows(store, groups)
    return sum(len(records) for _first, records in runs)


def _as_in_log(database: Database, org_id: UUID, kept: Sequence[tuple[int, Record]]) -> list[tuple[int, Record]]:
    """Those of the events that give their entry in the log; others are logged."""
    nodes = DetachedNodes(database, org_id)
    entries: dict[int, bytes] = {}
    found: list[tuple[int, Record]] = []
    for index, record in kept:
        tile, place = divmod(index, TILE_WIDTH)
        if tile not in entries:
            entries = {tile: nodes.entries(tile)}
        entry = entries[tile][place * ENTRY_BYTES : (place + 1) * ENTRY_BYTES]
        if entry_of_event(as_stored_event(index, record)) == entry:
            found.append((index, record))
        else:
            logger.error("kept_event_differs", org_id=str(org_id), index=index)
    return found
