"""Removes what came into the event store after its deletion, or a second time.

A process that stands still can insert rows long after others took its work over, purged events and erased parts. The
log and the control database say what was deleted; so what came too late is found without knowing who inserted it.
"""

from uuid import UUID

import structlog

from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.erasure.replay import replay_log
from tallystick.integrity.explained_gaps import ExplainedGaps
from tallystick.retention.index_set import format_indexes
from tallystick.store import doubled, expiry
from tallystick.store.copied_columns import count_by_block, indexes_held
from tallystick.store.events import EventStore
from tallystick.work import leases
from tallystick.work.stop_signal import check_stop

BLOCK = 1 << 12
WINDOW = 1 << 22  # indexes whose blocks one statement counts
NAMED = 1_000  # characters of indexes in a line of the log
logger = structlog.get_logger(__name__)


def remove_late(database: Database, store: EventStore, org_id: UUID, first: int, end: int) -> None:
    """Bring the indexes first ≤ index < end to what was deleted: no event twice, none that was purged.

    Parts that were erased are erased again by the eraser. Nothing changes in a range that is right. StoreError.
    """
    if count := doubled.remove(store, org_id, first, end):
        logger.warning("doubled_events_removed", org_id=str(org_id), first=first, events=count)
    remove_purged(database, store, org_id, first, end)
    replay_log(database, store, org_id)


def remove_purged(database: Database, store: EventStore, org_id: UUID, first: int, end: int) -> int:
    """Delete the purged events with first ≤ index < end that are stored; returns how many were. StoreError.

    None while a backup or a restore runs, during which nothing is deleted; the next comparison finds them.
    """
    scope, removed = operator_scope(org_id), 0
    with leases.deleting(database) as may_delete:
        if not may_delete:
            return 0
        purged = ExplainedGaps(database, store, scope).purged
        for start in range(first, end, WINDOW):
            check_stop()
            stop = min(start + WINDOW, end)
            for block in sorted(count_by_block(store, scope, start, stop, BLOCK)):
                low, high = max(block * BLOCK, start), min((block + 1) * BLOCK, stop)
                if purged.outside(low, high - 1) == [(low, high - 1)]:
                    continue
                late = sorted(index for index in indexes_held(store, scope, low, high) if index in purged)
                if late:
                    expiry.delete_indexes(store, scope, late)
                    logger.error("purged_events_removed", org_id=str(org_id), indexes=_named(late), events=len(late))
                    removed += len(late)
    return removed


def remove_doubled(store: EventStore, org_id: UUID, end: int) -> None:
    """Name the events below index `end` that are stored more than once, and leave one of those that are equal.

    Of an event whose rows differ all rows stay: the integrity check says which one is not as in the log. StoreError.
    """
    for start in range(0, end, WINDOW):
        check_stop()
        for low, high in doubled.blocks(store, org_id, start, min(start + WINDOW, end), BLOCK):
            found = doubled.indexes(store, org_id, low, high)
            removed = doubled.remove_equal(store, org_id, low, high)
            logger.error("events_doubled", org_id=str(org_id), indexes=_named(found), rows_removed=removed)


def _named(indexes: list[int]) -> str:
    text = format_indexes(indexes)
    return text if len(text) <= NAMED else f"{text[:NAMED]}…"
