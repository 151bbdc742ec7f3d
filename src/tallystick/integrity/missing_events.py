"""Finds events that are missing from the event store, and keeps the ranges of their indexes.

Numbers of rows are compared first, by organization, then by block of indexes; only blocks that differ are read index
by index. So memory is bounded, whatever the size of a log.
"""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

import structlog
from sqlalchemy import func, select

from tallystick import clock, telemetry
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.integrity import rounds
from tallystick.integrity.damaged_parts import count_damaged, note_damaged
from tallystick.integrity.explained_gaps import ExplainedGaps
from tallystick.integrity.tail_restore import restore_from_tail
from tallystick.journal import lost_events, missing_ranges, set_aside
from tallystick.journal.missing_ranges import MAX_RANGES, RESTORE_COMMAND, IndexGap
from tallystick.ledger import log as ledger_log
from tallystick.ledger.tables import logs
from tallystick.query.scope import TALLYSTICK, Scope
from tallystick.retention.index_set import IndexSet, Range
from tallystick.retention.tables import prunings
from tallystick.store.copied_columns import count_by_block, indexes_held
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.store.transfer import count_below
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.stop_signal import check_stop

LEASE = "missing_events"
LEASE_SECONDS = 120
ROUND_SECONDS = 20.0
# After a search that does not explain the number of rows, the next one of a log whose number stays the same.
UNEXPLAINED_SECONDS = 600
BLOCK = 1 << 12
WINDOW = 1 << 22  # indexes whose blocks one statement counts
logger = structlog.get_logger(__name__)


class MissingEvents(Background):
    """Compares the numbers of rows in the store with those that the control database expects, a few times a minute.

    An organization whose numbers differ is searched; a range that is there again leaves the state by that.
    """

    def __init__(self, database: Database, store: EventStore) -> None:
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("missing_events", idle_seconds=ROUND_SECONDS, lease=lease)
        self._database = database
        self._store = store
        # The deficit, whether the store was the right one, and when to search again in any case.
        self._searched: dict[UUID, tuple[int, bool, int | None]] = {}

    def open(self) -> None:
        """At the start: mark organizations that lack more events than is known, before the first search reads them.

        Until they are searched, their whole log counts as the range. Does nothing while the store does not answer.
        """
        with self._database.read() as connection:
            known = missing_ranges.count_missing(connection)
            purging = select(prunings.c.org_id, func.sum(prunings.c.events)).group_by(prunings.c.org_id)
            under_way = {row[0]: int(row[1]) for row in connection.execute(purging)}
        try:
            deficits = self._deficits()
        except StoreError as error:
            logger.warning("store_not_checked", error=str(error)[:500])
            return
        for org_id, (deficit, end) in deficits.items():
            if (least := deficit - under_way.get(org_id, 0)) > known.get(org_id, 0):
                _save(self._database, org_id, [IndexGap(0, end - 1, least)], by="start")
        self._measure()

    def step(self, now: int | None = None) -> bool:
        """Compare all organizations and search those that differ; always False: nothing is left to do."""
        now = clock.now_us() if now is None else now
        self._measure()
        note_damaged(self._database, self._store)
        if self.may_work(now):
            with self._database.read() as connection:
                known = missing_ranges.count_missing(connection)
            for org_id, (deficit, _end) in self._deficits().items():
                if self._is_due(org_id, deficit, org_id in known, now):
                    self._search(org_id, deficit, now)
            self._measure()
        return False

    def _search(self, org_id: UUID, deficit: int, now: int) -> None:
        gaps = find_and_save(self._database, self._store, org_id, by="event_store_check")
        is_right = self._is_right_store()  # another store gets nothing
        if gaps and is_right and restore_from_tail(self._database, self._store, org_id, gaps):
            gaps = find_and_save(self._database, self._store, org_id, by="event_store_check")
        is_explained = sum(gap.events for gap in gaps) == deficit
        self._searched[org_id] = deficit, is_right, None if is_explained else now + UNEXPLAINED_SECONDS * SECOND_US

    def _is_due(self, org_id: UUID, deficit: int, is_known: bool, now: int) -> bool:
        if org_id not in self._searched:
            return deficit != 0 or is_known
        before, was_right, again_at = self._searched[org_id]
        has_changed = deficit != before or was_right != self._is_right_store()
        return has_changed or (again_at is not None and now >= again_at)

    def _is_right_store(self) -> bool:
        return not self._store.guard.refusal

    def _deficits(self) -> dict[UUID, tuple[int, int]]:
        """How many rows of each organization the store lacks below its `stored_end`, which comes with it."""
        with self._database.read() as connection:
            rows = connection.execute(select(logs.c.org_id, logs.c.stored_end, logs.c.pruned)).all()
            aside, lost = set_aside.counts(connection), lost_events.count_lost(connection)
        held = self._store.holdings()
        deficits: dict[UUID, tuple[int, int]] = {}
        for row in rows:
            number, highest = held.get(row.org_id, (0, -1))
            if highest >= row.stored_end:  # rows of a shipment that is not settled yet
                number = count_below(self._store, operator_scope(row.org_id), row.stored_end)
            explained = aside.get(row.org_id, 0) + lost.get(row.org_id, 0) + row.pruned
            deficits[row.org_id] = row.stored_end - explained - number, row.stored_end
        return deficits

    def _measure(self) -> None:
        with self._database.read() as connection:
            telemetry.store_missing_events.set(sum(missing_ranges.count_missing(connection).values()))
            telemetry.store_damaged_parts.set(count_damaged(connection))


def mark_missing(database: Database, store: EventStore, org_id: UUID, indexes: Sequence[int]) -> None:
    """Search the log for all that is missing, unless these missing events are known already."""
    with database.read() as connection:
        known = IndexSet((one.first, one.last) for one in missing_ranges.read_missing(connection, org_id))
    if any(index not in known for index in indexes):
        find_and_save(database, store, org_id, by="integrity_check")


def find_and_save(database: Database, store: EventStore, org_id: UUID, *, by: str) -> list[IndexGap]:
    """Search the log for missing events, and replace the ranges that are known by what was found, and return it.

    `by`: what noticed them. StoreError.
    """
    gaps = find_missing(database, store, operator_scope(org_id))
    _save(database, org_id, gaps, by=by)
    return gaps


def find_missing(database: Database, store: EventStore, scope: Scope) -> list[IndexGap]:
    """The ranges of indexes that should be stored and are not, ascending; not many more than MAX_RANGES."""
    with database.read() as connection:
        end = ledger_log.read(connection, scope.org_id).stored_end
    found: list[IndexGap] = []
    for first, last in exact_gaps(database, store, scope, 0, end):
        found.append(IndexGap(first, last, last - first + 1))
        if len(found) > 10 * MAX_RANGES:
            found = missing_ranges.join_closest(found, 5 * MAX_RANGES)
    return missing_ranges.join_closest(found, MAX_RANGES)


def exact_gaps(database: Database, store: EventStore, scope: Scope, first: int, end: int) -> Iterator[Range]:
    """The ranges of missing events with first ≤ index < end, ascending; adjacent ones may come one after the other."""
    explained = ExplainedGaps(database, store, scope)
    for start in range(first, end, WINDOW):
        check_stop()
        yield from _gaps_within(store, scope, start, min(start + WINDOW, end), explained)


def _gaps_within(store: EventStore, scope: Scope, first: int, end: int, explained: ExplainedGaps) -> Iterator[Range]:
    counts = count_by_block(store, scope, first, end, BLOCK)
    explained.refresh()
    for block in range(first // BLOCK, -(-end // BLOCK)):
        start, stop = max(block * BLOCK, first), min((block + 1) * BLOCK, end)
        expected = explained.settled.outside(start, stop - 1)
        count = counts.get(block, 0)
        if count == sum(last - first + 1 for first, last in expected):
            continue
        gaps: Iterable[Range] = [(start, stop - 1)]
        if count:
            check_stop()
            held = indexes_held(store, scope, start, stop)
            explained.refresh()
            gaps = ((index, index) for index in range(start, stop) if index not in held)
        for gap in gaps:
            yield from explained.all.outside(*gap)


def _save(database: Database, org_id: UUID, gaps: list[IndexGap], *, by: str) -> None:
    with database.write() as connection:
        organizations.lock_row(connection, org_id)
        has_changed = missing_ranges.replace_missing(connection, org_id, gaps, now=clock.now_us(), by=by)
        last = rounds.round_state(connection, org_id).last
        if has_changed and last is not None and last.found:
            # The differences may be gone, and the page would show them until tomorrow.
            rounds.request_round(connection, org_id, TALLYSTICK)
    if has_changed:
        events = sum(gap.events for gap in gaps)
        line = {"org_id": str(org_id), "events": events, "ranges": [(gap.first, gap.last) for gap in gaps[:10]]}
        if events:
            logger.error("events_missing", by=by, **line, advice=f"Bring them back: {RESTORE_COMMAND}")
        else:
            logger.info("no_event_missing", org_id=str(org_id))
