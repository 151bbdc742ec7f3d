"""What a log need not keep for ever: entries of events that went long ago, and most of its old checkpoints."""

import time

from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.integrity.deletion_records import Explained
from tallystick.ledger import expiry
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.query.scope import Scope
from tallystick.search.scan import unstored
from tallystick.store.copies import indexes_held
from tallystick.store.events import EventStore

TAIL_DAYS = 365
AT_ONCE = 1_000
BREATH_SECONDS = 0.05


def trim(database: Database, store: EventStore, scope: Scope, explained: Explained, *, now: int) -> None:
    """Behind a round without a difference; each step is a short transaction of its own."""
    _expire_entries(database, store, scope, explained, now)
    while True:
        with database.write() as connection:
            thinned = expiry.thin_checkpoints(connection, scope.org_id, now=now, most=AT_ONCE)
        if thinned < AT_ONCE:
            return
        time.sleep(BREATH_SECONDS)


def _expire_entries(database: Database, store: EventStore, scope: Scope, explained: Explained, now: int) -> None:
    """Of a full tile the entries may go when the record of the purge of each of its events is older than the tail."""
    whole: list[int] = []
    for first, last in explained.purged_before(now - TAIL_DAYS * DAY_US).pairs():
        whole += range(-(-first // TILE_WIDTH), (last + 1) // TILE_WIDTH)
    for start in range(0, len(whole), AT_ONCE):
        with database.read() as connection:
            there = expiry.full_entry_tiles(connection, scope.org_id, whole[start : start + AT_ONCE])
        free = [position for position in there if not _is_used(database, store, scope, position)]
        if free:
            with database.write() as connection:
                expiry.expire_entries(connection, scope.org_id, free)
            time.sleep(BREATH_SECONDS)


def _is_used(database: Database, store: EventStore, scope: Scope, position: int) -> bool:
    first = position * TILE_WIDTH
    held = indexes_held(store, scope, first, first + TILE_WIDTH)
    return bool(held) or any(True for _ in unstored(database, scope, first, first + TILE_WIDTH))
