"""Removal of old ledger data: entries of events that were purged long ago, and most old checkpoints."""

import time

from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.integrity.deletion_records import DeletionRecords
from tallystick.ledger import expiry
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.query.scope import Scope
from tallystick.search.scan import read_unstored
from tallystick.store.copied_columns import indexes_held
from tallystick.store.events import EventStore

TAIL_DAYS = 365
BATCH = 1_000
PAUSE_SECONDS = 0.05


def prune_tree(database: Database, store: EventStore, scope: Scope, deletions: DeletionRecords, *, now: int) -> None:
    """Remove old data of one log, in short transactions. Call only after a round without differences."""
    _expire_entries(database, store, scope, deletions, now)
    while True:
        with database.write() as connection:
            thinned = expiry.thin_checkpoints(connection, scope.org_id, now=now, most=BATCH)
        if thinned < BATCH:
            return
        time.sleep(PAUSE_SECONDS)


def _expire_entries(database: Database, store: EventStore, scope: Scope, deletions: DeletionRecords, now: int) -> None:
    """Delete the entries of full tiles all of whose events were purged more than TAIL_DAYS ago."""
    whole: list[int] = []
    for first, last in deletions.purged_before(now - TAIL_DAYS * DAY_US).ranges():
        whole += range(-(-first // TILE_WIDTH), (last + 1) // TILE_WIDTH)
    for start in range(0, len(whole), BATCH):
        with database.read() as connection:
            there = expiry.full_entry_tiles(connection, scope.org_id, whole[start : start + BATCH])
        free = [position for position in there if not _has_events(database, store, scope, position)]
        if free:
            with database.write() as connection:
                expiry.expire_entries(connection, scope.org_id, free)
            time.sleep(PAUSE_SECONDS)


def _has_events(database: Database, store: EventStore, scope: Scope, position: int) -> bool:
    first = position * TILE_WIDTH
    held = indexes_held(store, scope, first, first + TILE_WIDTH)
    return bool(held) or any(True for _ in read_unstored(database, scope, first, first + TILE_WIDTH))
