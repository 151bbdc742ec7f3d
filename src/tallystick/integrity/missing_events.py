"""Finds events that are missing from the event store, and keeps the ranges of their indexes.

Numbers of distinct indexes are compared first, by organization, then by block of indexes; only blocks that differ are
read index by index. So memory is bounded, whatever the size of a log. Events that are stored twice, or again after a
purge, show in the same numbers and are removed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import func, select

from tallystick import clock, telemetry
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.ingest.shipper import Shipper
from tallystick.ingest.store_rebuilder import StoreRebuilder
from tallystick.integrity import rounds
from tallystick.integrity.damaged_parts import count_damaged, note_damaged
from tallystick.integrity.explained_gaps import ExplainedGaps
from tallystick.integrity.late_events import BLOCK, WINDOW, remove_doubled, remove_purged
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
from tallystick.store.events import NOTHING, EventStore
from tallystick.store.transfer import held_below
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.stop_signal import check_stop

LEASE = "missing_events"
LEASE_SECONDS = 120
ROUND_SECONDS = 20.0
# After a search that does not explain the number of rows, the next one of a log whose number stays the same.
UNEXPLAINED_SECONDS = 600
logger = structlog.get_logger(__name__)


class StoreBalance(NamedTuple):
    """How an organization's part of the store differs from the log.

    `deficit`: how many events it lacks below index `end`, negative where it has more than it should. `doubled`: how
    many of its rows repeat another one's index.
    """

    deficit: int
    doubled: int
    end: int


class _Searched(NamedTuple):
    """What was known when an organization was searched, and when to search again in any case (µs since 1970)."""

    balance: StoreBalance
    might_change_store: bool
    missing: int
    again_at: int | None


class MissingEvents(Background):
    """Compares the numbers of events in the store with those that the control database expects, a few times a minute.

    An organization whose numbers differ is searched; a range that is there again leaves the state by that.
    """

    def __init__(self, database: Database, store: EventStore) -> None:
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("missing_events", idle_seconds=ROUND_SECONDS, lease=lease)
        self._database = database
        self._store = store
        self._searched: dict[UUID, _Searched] = {}

    def open(self) -> None:
        """At the start: mark organizations that lack more events than is known, before the first search reads them.

        Until they are searched, their whole log counts as the range. Does nothing while the store does not answer.
        """
        with self._database.read() as connection:
            known = missing_ranges.count_missing(connection)
            purging = select(prunings.c.org_id, func.sum(prunings.c.events)).group_by(prunings.c.org_id)
            under_way = {row[0]: int(row[1]) for row in connection.execute(purging)}
        try:
            balances = self._balances()
        except StoreError as error:
            logger.warning("store_not_checked", error=str(error)[:500])
            return
        for org_id, balance in balances.items():
            if (least := balance.deficit - under_way.get(org_id, 0)) > known.get(org_id, 0):
                _save(self._database, org_id, [IndexGap(0, balance.end - 1, least)], by="start")
        self._measure()

    def step(self, now: int | None = None) -> bool:
        """Compare all organizations and search those that differ; always False: nothing is left to do."""
        now = clock.now_us() if now is None else now
        self._measure()
        note_damaged(self._database, self._store)
        if self.may_work(now):
            with self._database.read() as connection:
                known = missing_ranges.count_missing(connection)
            for org_id, balance in self._balances().items():
                if self._is_due(org_id, balance, known.get(org_id, 0), now):
                    self._search(org_id, balance, now)
            self._measure()
        return False

    def _search(self, org_id: UUID, balance: StoreBalance, now: int) -> None:
        may_change = self._may_change_store()  # nothing of another store is changed, nor of one on a full disk
        if balance.doubled and may_change:
            remove_doubled(self._store, org_id, balance.end)
        gaps = find_and_save(self._database, self._store, org_id, by="event_store_check")
        deficit = sum(gap.events for gap in gaps)
        if deficit > balance.deficit and may_change:  # there are events as well that should not be there
            remove_purged(self._database, self._store, org_id, 0, balance.end)
        if gaps and may_change and restore_from_tail(self._database, self._store, org_id, gaps):
            gaps = find_and_save(self._database, self._store, org_id, by="event_store_check")
        missing = sum(gap.events for gap in gaps)
        is_explained = missing == balance.deficit and not balance.doubled
        again_at = None if is_explained else now + UNEXPLAINED_SECONDS * SECOND_US
        self._searched[org_id] = _Searched(balance, may_change, missing, again_at)

    def _is_due(self, org_id: UUID, balance: StoreBalance, missing: int, now: int) -> bool:
        """Whether anything differs from the last search; `missing`: how many events are known to be missing."""
        if (before := self._searched.get(org_id)) is None:
            return bool(balance.deficit or balance.doubled or missing)
        seen = before.balance
        has_changed = (balance.deficit, balance.doubled) != (seen.deficit, seen.doubled) or missing != before.missing
        return (
            has_changed
            or before.might_change_store != self._may_change_store()
            or (before.again_at is not None and now >= before.again_at)
        )

    def _may_change_store(self) -> bool:
        return not self._store.guard.refusal and self._store.guard.has_space()

    def _balances(self) -> dict[UUID, StoreBalance]:
        """The balance of each organization below its `stored_end`."""
        with self._database.read() as connection:
            rows = connection.execute(select(logs.c.org_id, logs.c.stored_end, logs.c.pruned)).all()
            aside, lost = set_aside.counts(connection), lost_events.count_lost(connection)
        held = self._store.holdings()
        balances: dict[UUID, StoreBalance] = {}
        for row in rows:
            held_here = held.get(row.org_id, NOTHING)
            if held_here.highest >= row.stored_end:  # rows of a shipment that is not settled yet
                held_here = held_below(self._store, operator_scope(row.org_id), row.stored_end)
            explained = aside.get(row.org_id, 0) + lost.get(row.org_id, 0) + row.pruned
            deficit = row.stored_end - explained - held_here.events
            balances[row.org_id] = StoreBalance(deficit, held_here.rows - held_here.events, row.stored_end)
        return balances

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


def new_rebuilder(shipper: Shipper, store: EventStore) -> StoreRebuilder:
    """The rebuild of the table of events, which drops nothing that is missing from it; `store` reads any version."""

    def find(org_id: UUID, first: int, end: int) -> Iterator[Range]:
        with shipper.database.read() as connection:
            stored_end = ledger_log.read(connection, org_id).stored_end
        return exact_gaps(shipper.database, store, operator_scope(org_id), first, min(end, stored_end))

    return StoreRebuilder(shipper, store, find)


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
