"""The background worker that rebuilds the table of events: after an upgrade by itself, and when it is asked to.

It works beside everything else, one piece of the table at a time, and looks again at what changed meanwhile. For the
last comparison and the exchange of both tables nothing is shipped and nothing deleted; recording goes on.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID, uuid4

import structlog

from tallystick import clock, telemetry
from tallystick.errors import Unavailable
from tallystick.ingest.rebuild_requests import (
    DONE,
    RUNNING,
    RebuildRow,
    request_rebuild,
    save_rebuild,
    unfinished_rebuild,
)
from tallystick.ingest.shipper import Shipper
from tallystick.journal.missing_ranges import RESTORE_COMMAND
from tallystick.store import rebuild
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.store.rebuild import Piece
from tallystick.store.schema import STORE_VERSION
from tallystick.work import leases
from tallystick.work.background import Background
from tallystick.work.disk_space import LEAST_FREE_BYTES
from tallystick.work.leases import LeaseLost
from tallystick.work.stop_signal import check_stop, is_stopping

IDLE_SECONDS = 1.0
PROGRESS_SECONDS = 2.0
LOG_SECONDS = 60.0
LEASE_SECONDS = 600
LONGEST_PAUSE = 60.0
WAIT_SECONDS = 0.1
DELETION_SECONDS = 300.0  # for which a deletion that has begun is waited for
# So few rows that shipping and deletions can wait while they are copied.
LAST_ROWS = 50_000
MOST_COMPARISONS = 10  # before the exchange, until one finds no difference; then it is tried again later
FindMissing = Callable[[UUID, int, int], Iterable[tuple[int, int]]]
"""The first and last indexes of the ranges of an organization's events with first ≤ index < end that are missing."""
logger = structlog.get_logger(__name__)


class StoreRebuilder(Background):
    """Rebuilds the table of events, on the node that ships. After a crash it continues with the same copy."""

    def __init__(self, shipper: Shipper, store: EventStore, find_missing: FindMissing) -> None:
        """`store`: that of the shipper, with readers of its own for any version of the table.

        Nothing is dropped or deleted that `find_missing` finds to be missing from the table.
        """
        super().__init__("store_rebuild", idle_seconds=IDLE_SECONDS)
        self._database = shipper.database
        self._store = store
        self._shipper = shipper
        self._find_missing = find_missing
        self._disk = shipper.disk  # of an embedded event store
        self._is_current = False  # the table is of this version, and no copy is left
        self._windows: Iterator[list[Piece]] | None = None  # of the comparison under way
        self._pieces: list[Piece] = []  # which it found and which are not copied yet
        self._copied = 0  # rows, in this comparison
        self._copied_before: int | None = None  # in the one before
        self._has_checked = False  # that the files of a copy that was there are whole
        self._saved_at = self._logged_at = 0.0
        self._deleted_before: int | None = None
        self._may_drop = False  # the table lacks nothing that the old one has

    def breath(self, took: float) -> float:
        return took / 2  # two thirds of a processor at most, so that searches and recording keep theirs

    def retry_pause(self, failures: int) -> float:
        return min(float(2**failures), LONGEST_PAUSE)

    def step(self) -> bool:
        """Copy one piece, or exchange the tables, or drop the old one; False if there is nothing to do, or it waits."""
        if not self._shipper.held.is_held or self._store.guard.refusal:
            return False
        row = self._next_rebuild()
        if row is None:
            return False
        try:
            return self._continue(row)
        except Exception as error:
            self._windows, self._pieces, self._may_drop = None, [], False
            if not is_stopping():
                self._note(row, str(error))
            raise

    def _next_rebuild(self) -> RebuildRow | None:
        """The rebuild under way, or the next one; an older version of the table, or a copy that is left, begins one."""
        with self._database.read() as connection:
            row = unfinished_rebuild(connection)
        if row is not None and row.state == RUNNING:
            return row
        if row is None and self._is_current:
            return None
        made = self._store.version()
        copy = made.copy + 1
        if row is None and made.version == STORE_VERSION:
            if rebuild.copy_version(self._store) is None:
                self._is_current = True
                return None
            copy = made.copy  # a table that is left is dropped
        with self._database.write() as connection:
            rebuild_id = request_rebuild(connection)
            save_rebuild(connection, rebuild_id, state=RUNNING, copy=copy)
            row = unfinished_rebuild(connection)
        logger.info("store_rebuild_begun", version=made.version, to_version=STORE_VERSION, copy=copy)
        return row

    def _continue(self, row: RebuildRow) -> bool:
        if self._store.version().copy >= row.copy:
            return self._finish(row)
        if self._windows is None:
            if self._lacks_space(row, whole=True):
                return False
            if rebuild.is_of_another_rebuild(self._store, row.copy):
                self._refuse_any_loss()
            if rebuild.prepare(self._store, row.copy) and not self._has_checked:
                for _part in rebuild.drop_broken_parts(self._store):
                    check_stop()
            self._has_checked = True
            self._windows, self._pieces, self._copied = rebuild.compare(self._store), [], 0
        if self._lacks_space(row):
            return False
        if self._pieces:
            self._copied += self._copy_next(self._pieces)
            self._save_progress(row)
            return True
        found = next(self._windows, None)
        if found is not None:
            self._pieces = found
            return True
        self._windows = None
        # Comparing again brings nothing where events are recorded as fast as they are copied.
        is_fewer = self._copied_before is None or self._copied <= self._copied_before // 2
        self._copied_before = self._copied
        return (self._copied > LAST_ROWS and is_fewer) or self._exchange(row)

    def _copy_next(self, pieces: list[Piece]) -> int:
        """Copy the next of these pieces, and take it from the list; returns the number of copied rows."""
        some = rebuild.take_pieces(pieces)
        for piece in some:
            self._refuse_loss(piece)
        return rebuild.copy_pieces(self._store, some)

    def _refuse_any_loss(self) -> None:
        """Raise Unavailable if a table with the copy's name, of another rebuild, has events that are missing."""
        for pieces in rebuild.compare(self._store):
            for piece in pieces:
                check_stop()
                self._refuse_loss(piece)

    def _refuse_loss(self, piece: Piece) -> None:
        """Raise Unavailable if the copy has events of the piece that the table should have, and lacks.

        What was purged is in neither, and the log says so; but a table also loses events with a damaged part, or when
        it is replaced behind the server's back, and the copy may then be the only place that has them.
        """
        gone = rebuild.only_in_copy(self._store, piece) if piece.copied else []
        if not gone:
            return
        ranges = list(self._find_missing(piece.org_id, gone[0], gone[-1] + 1))
        if kept := sum(any(first <= index <= last for first, last in ranges) for index in gone):
            raise Unavailable(
                f"{kept:,} events that the event store lacks are in its table {rebuild.COPY}, in which nothing is "
                f"deleted before they are back. Bring them back: {RESTORE_COMMAND}"
            )

    def _lacks_space(self, row: RebuildRow, *, whole: bool = False) -> bool:
        """Whether the disk has no space for the next piece, or for the whole rest of the copy."""
        needed = LEAST_FREE_BYTES if self._disk is None else self._disk.least_bytes
        if whole:
            rest = rebuild.bytes_of(self._store, rebuild.TABLE) - rebuild.bytes_of(self._store, rebuild.COPY)
            needed += max(rest, 0)
        free = rebuild.free_bytes(self._store) if self._disk is None else self._disk.free()
        if free >= needed:
            return False
        words = f"{needed / 1e9:,.1f} GB of free disk space are needed, {free / 1e9:,.1f} GB are free."
        self._note(row, words)
        return True

    def _exchange(self, row: RebuildRow) -> bool:
        """Copy what still differs while nothing is shipped or deleted, then exchange the tables."""
        holder = uuid4().hex
        try:
            with self._database.write() as connection:
                now = clock.now_us()
                is_mine = leases.hold(connection, leases.RESTORE_LEASE, holder, now=now, seconds=LEASE_SECONDS)
            if not is_mine:
                self._note(row, "Lost events are being brought back.")  # which may not happen at the same time
                return False
            rebuild.apply_deletions(self._store)
            self._wait_for_deletions()
            with self._shipper.turn:
                self._copy_rest(holder)
                rebuild.apply_deletions(self._store)
                self._require_leases(holder)
                rebuild.exchange(self._store)
                try:
                    self._require_leases(holder)
                except LeaseLost:  # it came too late: others have shipped to the old table, or deleted from it
                    rebuild.exchange(self._store)
                    raise
        finally:
            leases.end(self._database, leases.RESTORE_LEASE, holder)
        logger.info("store_rebuilt", version=STORE_VERSION, copy=row.copy)
        return True

    def _require_leases(self, holder: str) -> None:
        """Raise LeaseLost if another process ships, or if something was deleted since deletions began to wait."""
        with self._database.write() as connection:
            self._shipper.held.require(connection)
            leases.require(connection, leases.RESTORE_LEASE, holder)

    def _renew_leases(self, holder: str) -> bool:
        with self._database.write() as connection:
            now = clock.now_us()
            is_waiting = leases.renew(connection, leases.RESTORE_LEASE, holder, now=now, seconds=LEASE_SECONDS)
        return is_waiting and self._shipper.held.hold(clock.now_us())

    def _wait_for_deletions(self) -> None:
        """Wait until the deletions and erasures that have begun are over."""
        deadline = time.monotonic() + DELETION_SECONDS
        while self._is_deleting():
            check_stop()
            if time.monotonic() > deadline:
                raise StoreError("a deletion or an erasure does not end")
            time.sleep(WAIT_SECONDS)

    def _is_deleting(self) -> bool:
        with self._database.read() as connection:
            return leases.deletions_have_begun(connection) or rebuild.changes_are_running(self._store)

    def _copy_rest(self, holder: str) -> None:
        for _ in range(MOST_COMPARISONS):
            differs = False
            for pieces in rebuild.compare(self._store):
                differs = differs or bool(pieces)
                while pieces:
                    check_stop()
                    self._copy_next(pieces)
                if not self._renew_leases(holder):
                    raise Unavailable("Another process has taken over.")
            if not differs and rebuild.has_equal_counts(self._store):
                return
        raise StoreError("the copy of the table of events does not become equal to the table")

    def _finish(self, row: RebuildRow) -> bool:
        """Drop the old table, once no bytes of rows that were deleted meanwhile are left of the new one."""
        if rebuild.copy_version(self._store) is not None:
            if not self._may_drop:
                self._refuse_any_loss()
                self._may_drop = True
            if self._deleted_before is None:
                self._deleted_before = rebuild.store_seconds(self._store)
            if rebuild.holds_deleted_bytes(self._store, self._deleted_before):
                return False
            if kept := rebuild.drop_old(self._store):
                logger.warning("detached_parts_kept", table=kept)
        self._deleted_before, self._may_drop, self._copied_before = None, False, None
        with self._database.write() as connection:
            events = rebuild.read_progress(self._store).of_rows
            values = {"state": DONE, "finished_at": clock.now_us(), "detail": "", "events": events, "of_events": events}
            save_rebuild(connection, row.rebuild_id, **values)
        telemetry.store_rebuild_left.set(0)
        logger.info("store_rebuild_finished", version=STORE_VERSION, copy=row.copy, events=events)
        return True

    def _save_progress(self, row: RebuildRow) -> None:
        """Save how far it is, every few seconds, and log it once a minute."""
        now = time.monotonic()
        if now - self._saved_at < PROGRESS_SECONDS and not row.detail:
            return
        self._saved_at = now
        done = rebuild.read_progress(self._store)
        telemetry.store_rebuild_left.set(max(done.of_rows - done.rows, 0))
        with self._database.write() as connection:
            save_rebuild(connection, row.rebuild_id, events=done.rows, of_events=done.of_rows, detail="")
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            logger.info("store_rebuild_goes_on", events=done.rows, of_events=done.of_rows)

    def _note(self, row: RebuildRow, detail: str) -> None:
        if row.detail != detail[:500]:
            logger.warning("store_rebuild_waits", reason=detail[:500])
            with self._database.write() as connection:
                save_rebuild(connection, row.rebuild_id, detail=detail[:500])
