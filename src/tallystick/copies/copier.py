"""The copier: the worker that keeps copies up to date, on one node at a time."""

import io
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy import Connection, Table

from tallystick import clock, telemetry
from tallystick.clock import DAY_US, HOUR_US, SECOND_US
from tallystick.copies import progress
from tallystick.copies.batch_copies import JournalGap, encode_copies, read_uncopied
from tallystick.copies.copies_until import expected_end, leave_place, move_on
from tallystick.copies.full_copy import FullCopy
from tallystick.copies.generations import (
    ERASURES,
    FULL,
    MOST_ERASURES,
    batches_key,
    expired_keys,
    list_generations,
    snapshot_key,
)
from tallystick.copies.place_writer import PlaceWriter
from tallystick.copies.progress import CopyState
from tallystick.copies.snapshot import digest_of, pack_snapshot, tables_of_snapshot, take_snapshot
from tallystick.database.engine import Database
from tallystick.database.migrate import newest
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import FileMissing, FileStorage, read_small
from tallystick.destinations.storage_settings import copies_storage
from tallystick.erasure import erasure_list
from tallystick.errors import Outage, TallystickError, Unavailable
from tallystick.ingest.store_identity import make_node_id
from tallystick.journal.missing_ranges import count_missing
from tallystick.retention import clock_guard
from tallystick.settings import Settings
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.disk_space import DiskSpace
from tallystick.work.leases import Lease
from tallystick.work.stop_signal import check_stop

LEASE = "copies"
LEASE_SECONDS = 120
FULL_US = DAY_US  # between two full copies
SNAPSHOT_SECONDS = 30.0
SNAPSHOT_SHARE = 20  # a snapshot takes at most this part of the time: 1 / 20
LISTED_US = HOUR_US  # between two lists of what has expired
DELETED_AT_ONCE = 100
ABANDONED_US = 2 * DAY_US  # after which what another writer left unfinished, and interrupted uploads, are deleted
TOKEN_SECONDS, TOKEN_ROUNDS = 30.0, 3  # between two tokens in the place: at most so many, and at least one round
UNFINISHED = "copies.partial"  # in the data directory; what an interrupted copy left there is deleted
logger = structlog.get_logger(__name__)


class Copier(Background):
    """Copies what is new every few seconds. A round that fails is noted, and the next one makes up for it."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        storage: FileStorage | None,
        data_dir: Path,
        disk: DiskSpace,
        *,
        seconds: int,
        days: int,
    ) -> None:
        """`storage`: None if copies are off. `seconds` between rounds; copies are kept for `days`."""
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("copies", idle_seconds=float(seconds), lease=lease)
        self._database = database
        self._store = store
        self._storage = storage
        self._data_dir = data_dir
        self._disk = disk
        self._days = days
        self._writer: PlaceWriter | None = None
        self._round_at = 0.0  # `time.monotonic()` of the last round
        self._number = 0  # of the last file
        self._snapshot_due_at = 0.0  # `time.monotonic()`
        self._tables: list[Table] = []  # of a snapshot
        self._snapshot: bytes | None = None  # the digest of the last one
        self._erasures = b""  # the list as it was copied last
        self._may_delete = False
        self._listed_at = 0  # when the expired keys were listed
        self._expired: list[str] | None = None  # keys to delete; None: to be listed
        self._oldest_at: int | None = None  # the moment of the oldest generation that is left then
        self._moved_on_at = 0  # when the times of erasures were corrected
        self._urged: bytes | None = None  # the list of erasures of which this thread was told

    def step(self, now: int | None = None) -> bool:
        """Copy what is new; always False: the next round is due after the pause."""
        # A clock that is years ahead would delete every copy but the newest.
        self._may_delete = now is not None or clock_guard.is_trusted(self._database, clock.now_us())
        now = clock.now_us() if now is None else now
        if self._storage is None:
            self._forget(now)
            return False
        try:
            is_copier = self.may_work(now)
            if is_copier:
                self._move_on(now)
            if self._may_write(self._storage, now, is_copier=is_copier):
                self._copy_erasures(self._storage)
                if is_copier:
                    self._copy(self._storage, now)
        except Exception as error:
            if not self.stopping.is_set():
                self._note_problem(self._storage, error, now)
            raise
        return False

    def _forget(self, now: int) -> None:
        with self._database.read() as connection:
            state = progress.read_state(connection)
        if state is not None and self.may_work(now):
            with self._database.write() as connection:
                if state.generation:
                    leave_place(connection, state.place, now)
                progress.stop_copies(connection)

    def _move_on(self, now: int) -> None:
        """Once an hour, correct until when erased data may be in copies: also while these fail."""
        if self._may_delete and not 0 <= now - self._moved_on_at < LISTED_US:
            with self._database.write() as connection:
                if (state := progress.read_state(connection)) is not None:
                    move_on(connection, state, now, kept_us(self._days))
            self._moved_on_at = now

    def _may_write(self, storage: FileStorage, now: int, *, is_copier: bool) -> bool:
        seconds = max(self._idle_seconds, min(TOKEN_ROUNDS * self._idle_seconds, TOKEN_SECONDS))
        self._writer = self._writer or PlaceWriter(
            self._database, storage, seconds=seconds, kept_us=kept_us(self._days)
        )
        return self._writer.may_write(may_claim=is_copier, now=now)

    def _copy(self, storage: FileStorage, now: int) -> None:
        with self._database.read() as connection:
            state = progress.read_state(connection)
        if state is None:  # copies were turned off by another node since
            return
        try:
            # At first, since a place that is full takes nothing before something has gone.
            self._delete_expired(storage, state, now)
        except TargetError:
            self._copy_new(storage, state, now)  # a place that lets nothing be deleted takes copies all the same
            raise
        self._copy_new(storage, state, now)

    def _copy_new(self, storage: FileStorage, state: CopyState, now: int) -> None:
        self._disk.check()
        self._number = max(self._number, state.number)
        if not state.generation or state.revision != newest():
            self._begin_generation(storage, state)
            return
        try:
            self._copy_round(storage, [state.generation])
        except JournalGap as gap:
            logger.warning("full_copy_due", reason=str(gap))
            self._begin_generation(storage, state)
            return
        # Of other nodes the clocks differ; one that is far ahead in time was of a clock that was set back since.
        is_made = state.full_at is not None and -HOUR_US <= now - state.full_at < FULL_US
        if not is_made and not self._lacks_events():
            self._begin_generation(storage, state, state.generation)

    def _lacks_events(self) -> bool:
        """Whether the event store lacks events: only the present and earlier copies may have them, and have to stay."""
        with self._database.read() as connection:
            return bool(count_missing(connection))

    def _copy_round(self, storage: FileStorage, generations: Sequence[str], *, is_complete: bool = True) -> None:
        """Copy the batches, and the control database if that is due, into each of these generations.

        `is_complete`: whether one of them has its full copy, so that what is copied can be restored.
        """
        self._round_at = began = time.monotonic()
        with_snapshot = began >= self._snapshot_due_at
        root = self._data_dir / UNFINISHED / "snapshot"
        if with_snapshot:
            shutil.rmtree(root, ignore_errors=True)
            self._tables = self._tables or tables_of_snapshot(self._database)
            taken_at, files = take_snapshot(self._database, root, self._tables, check_stop)
        is_all = False
        while not is_all:
            is_all = self._copy_batches(storage, generations, is_complete=is_complete)
        # After the batches: so a snapshot never speaks of events that the copies lack.
        if with_snapshot:
            if (digest := digest_of(files)) != self._snapshot:
                packed = root / "control.zip"
                pack_snapshot(root, packed)
                number = self._next_number()
                for generation in generations:
                    with packed.open("rb") as file:
                        storage.put(snapshot_key(generation, number, clock.now_us()), file)
                self._snapshot = digest
            shutil.rmtree(root)
            with self._database.write() as connection:
                progress.note_snapshot(connection, taken_at if is_complete else None, self._number)
            took = time.monotonic() - began
            self._snapshot_due_at = began + max(SNAPSHOT_SECONDS, SNAPSHOT_SHARE * took)

    def _copy_batches(self, storage: FileStorage, generations: Sequence[str], *, is_complete: bool) -> bool:
        """Copy what was committed, as one file; False if more is left."""
        check_stop()
        read_at = clock.now_us()
        with self._database.read() as connection:
            copied, is_all = read_uncopied(connection)
        if copied:
            number, content = self._next_number(), encode_copies(copied)
            for generation in generations:
                storage.put(batches_key(generation, number, clock.now_us()), io.BytesIO(content))
            telemetry.copied_events_total.inc(sum(log.end - log.first for log in copied))
        with self._database.write() as connection:
            reached = read_at if is_all and is_complete else None
            progress.note_batches(connection, copied, self._number, reached)
        return is_all

    def _begin_generation(self, storage: FileStorage, state: CopyState, previous: str = "") -> None:
        """Make a full copy; meanwhile what is new goes into the `previous` generation too, if that can go on."""
        self._expired = None  # what this one leaves if it fails is deleted by the next round
        unfinished = self._data_dir / UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)
        root = unfinished / FULL
        root.mkdir(mode=0o700, parents=True)
        number = 1 + max((one.number for one in list_generations(storage)), default=0)
        if not previous:
            with self._database.write() as connection:
                progress.begin_anew(connection)
        full_copy = FullCopy(
            storage, root, number, state.writer, previous, lambda: self._work_between(storage, full_copy)
        )
        try:
            manifest = full_copy.make(self._database, self._store)
        except JournalGap as gap:
            raise Outage(
                f"{gap}, although a full copy is being made. Let the journal's tail keep more: "
                "TALLYSTICK_JOURNAL_TAIL_MB, TALLYSTICK_JOURNAL_TAIL_HOURS."
            ) from gap
        with self._database.write() as connection:
            progress.note_generation(connection, full_copy.name, manifest.revision, full_copy.taken_at)
        shutil.rmtree(unfinished)
        self._snapshot, self._snapshot_due_at, self._expired = None, 0.0, None
        logger.info("full_copy_complete", place=storage.where, events=manifest.events, bytes=manifest.bytes)
        self._copy_round(storage, [full_copy.name])

    def _work_between(self, storage: FileStorage, full_copy: FullCopy) -> None:
        """Between two steps of a full copy: see that nothing has changed, and copy what is new."""
        check_stop()
        self._disk.check()
        now = clock.now_us()
        if not self.may_work(now):
            raise Unavailable("Another node makes the copies now.")
        if full_copy.generations and time.monotonic() - self._round_at >= self._idle_seconds:
            self._may_write(storage, now, is_copier=True)
            self._copy_round(storage, full_copy.generations, is_complete=full_copy.has_previous)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def erased_until(self, connection: Connection, now: int) -> int | None:
        """Until when copies may hold what is erased `now`; None if there are none. Times in µs since 1970."""
        return expected_end(connection, now, 0 if self._storage is None else kept_us(self._days))

    def list_waits(self) -> str:
        """Why the copies do not have this node's list of erasures yet; empty if they do, or if none are made.

        For another thread, for which this one copies the list at once.
        """
        content = self._read_erasures()
        if self._storage is None or content == self._erasures:
            return ""
        if content != self._urged:
            self._urged = content
            self.wake()
        with self._database.read() as connection:
            state = progress.read_state(connection)
        because = f": {state.problem}" if state is not None and state.problem else "."
        return f"The list of what was erased is not in the continuous copies yet{because}"

    def _read_erasures(self) -> bytes:
        path = self._data_dir / erasure_list.FILE
        return path.read_bytes() if path.exists() else b""

    def _copy_erasures(self, storage: FileStorage) -> None:
        """Add this node's list of erasures to the copied one, which outlives every generation."""
        content = self._read_erasures()
        if content == self._erasures:
            return
        key, copied = f"{ERASURES}{make_node_id(self._data_dir)}", b""
        with suppress(FileMissing):
            copied = read_small(storage, key, MOST_ERASURES)
        lines = dict.fromkeys((*copied.split(b"\n"), *content.split(b"\n")))
        storage.put(key, io.BytesIO(b"\n".join(lines) + b"\n"))
        self._erasures = content

    def _delete_expired(self, storage: FileStorage, state: CopyState, now: int) -> None:
        if not self._may_delete or self._lacks_events():
            return
        if self._expired is None or not 0 <= now - self._listed_at < LISTED_US:
            self._listed_at = now
            abandoned = now - ABANDONED_US
            storage.delete_interrupted_uploads("", before=abandoned / SECOND_US)
            found = list_generations(storage)
            oldest = now - self._days * DAY_US
            self._expired = expired_keys(
                found, state.generation, state.writer, before=oldest, abandoned_before=abandoned
            )
            left = [one.begun_at for one in found if not set(one.keys).issubset(self._expired)]
            self._oldest_at = min(left, default=None)
        for key in self._expired[:DELETED_AT_ONCE]:
            check_stop()
            storage.delete(key)
        self._expired = self._expired[DELETED_AT_ONCE:]
        if not self._expired and state.oldest_at != self._oldest_at:
            with self._database.write() as connection:
                progress.note_oldest(connection, self._oldest_at)

    def _note_problem(self, storage: FileStorage, error: Exception, now: int) -> None:
        problem = error.detail if isinstance(error, TallystickError) else f"{type(error).__name__}: {error}"
        with self._database.write() as connection:
            if progress.read_state(connection) is None:
                progress.begin_copies(connection, storage.where, now=now)
            progress.note_problem(connection, problem)


def new_copier(settings: Settings, database: Database, store: EventStore, disk: DiskSpace) -> Copier:
    """The copier of a server with these settings."""
    storage, seconds = copies_storage(settings), settings.copies_seconds
    return Copier(database, store, storage, settings.data_dir, disk, seconds=seconds, days=settings.copies_days)


def kept_us(days: int) -> int:
    """For how many microseconds copies that are kept for `days` may hold what was deleted from the databases.

    A generation is needed until the next one, which begins within a day, is old enough; that is looked at every hour.
    """
    return (days + 2) * DAY_US
