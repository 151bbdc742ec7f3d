"""The copier: the worker that keeps copies up to date, on one node at a time."""

import io
import shutil
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import structlog
from sqlalchemy import Table, select

from tallystick import clock, telemetry
from tallystick.backup.create import CopyWatch, copy_databases, deletions_paused
from tallystick.backup.manifest import FILE, FileEntry, write_manifest
from tallystick.clock import DAY_US, HOUR_US
from tallystick.copies import progress
from tallystick.copies.batch_copies import JournalGap, encode_copies, read_uncopied
from tallystick.copies.generations import (
    ERASURES,
    FULL,
    batches_key,
    check_owner,
    expired_keys,
    list_generations,
    snapshot_key,
    time_name,
)
from tallystick.copies.progress import CopyState
from tallystick.copies.snapshot import digest_of, pack_snapshot, tables_of_snapshot, take_snapshot
from tallystick.database.engine import Database
from tallystick.database.migrate import newest
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import FileMissing, FileStorage
from tallystick.destinations.storage_settings import copies_storage
from tallystick.erasure import erasure_list
from tallystick.errors import TallystickError, Unavailable
from tallystick.ingest.store_identity import make_node_id
from tallystick.ingest.tables import store_identity
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
        self._round_at = 0.0  # `time.monotonic()` of the last round
        self._named_at = 0  # the latest time in a name
        self._snapshot_due_at = 0.0  # `time.monotonic()`
        self._tables: list[Table] = []  # of a snapshot
        self._snapshot: bytes | None = None  # the digest of the last one
        self._erasures = b""  # the list as it was copied last
        self._may_delete = False
        self._listed_at = 0  # when the expired keys were listed
        self._expired: list[str] | None = None  # keys to delete; None: to be listed

    def step(self, now: int | None = None) -> bool:
        """Copy what is new; always False: the next round is due after the pause."""
        # A clock that is years ahead would delete every copy but the newest.
        self._may_delete = now is not None or clock_guard.is_trusted(self._database, clock.now_us())
        now = clock.now_us() if now is None else now
        if self._storage is None:
            self._forget(now)
            return False
        try:
            if self._is_ours(self._storage):
                self._copy_erasures(self._storage)
                if self.may_work(now):
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
                progress.stop_copies(connection)

    def _is_ours(self, storage: FileStorage) -> bool:
        """Whether copies can be made; False until the event store was accepted once.

        Raises TargetError if the place has copies of another installation, or is not the one that was used before.
        """
        with self._database.read() as connection:
            store_id = connection.execute(select(store_identity.c.store_id)).scalar()
            state = progress.read_state(connection)
        if store_id is None:
            return False
        is_known = state is not None and state.place == storage.where and state.generation != ""
        check_owner(storage, store_id, is_known=is_known)
        return True

    def _copy(self, storage: FileStorage, now: int) -> None:
        state = self._state(storage, now)
        try:
            # At first, since a place that is full takes nothing before something has gone.
            self._delete_expired(storage, state.generation, now)
        except TargetError:
            self._copy_new(storage, state, now)  # a place that lets nothing be deleted takes copies all the same
            raise
        self._copy_new(storage, state, now)

    def _copy_new(self, storage: FileStorage, state: CopyState, now: int) -> None:
        self._disk.check()
        self._named_at = max(self._named_at, state.named_at)
        if not state.generation or state.revision != newest():
            self._begin_generation(storage)
            return
        try:
            self._copy_round(storage, state.generation)
        except JournalGap as gap:
            logger.warning("full_copy_due", reason=str(gap))
            self._begin_generation(storage)
            return
        if (state.full_at is None or now - state.full_at >= FULL_US) and not self._lacks_events():
            self._begin_generation(storage, state.generation)

    def _lacks_events(self) -> bool:
        """Whether the event store lacks events: only the present and earlier copies may have them, and have to stay."""
        with self._database.read() as connection:
            return bool(count_missing(connection))

    def _state(self, storage: FileStorage, now: int) -> CopyState:
        with self._database.read() as connection:
            state = progress.read_state(connection)
        if state is None or state.place != storage.where:
            with self._database.write() as connection:
                state = progress.begin_copies(connection, storage.where, now=now)
        return state

    def _copy_round(self, storage: FileStorage, generation: str) -> None:
        """Copy the batches, and the control database if that is due."""
        self._round_at = began = time.monotonic()
        with_snapshot = began >= self._snapshot_due_at
        root = self._data_dir / UNFINISHED / "snapshot"
        if with_snapshot:
            shutil.rmtree(root, ignore_errors=True)
            self._tables = self._tables or tables_of_snapshot(self._database)
            taken_at, files = take_snapshot(self._database, root, self._tables, check_stop)
        is_all = False
        while not is_all:
            is_all = self._copy_batches(storage, generation)
        # After the batches: so a snapshot never speaks of events that the copies lack.
        if with_snapshot:
            if (digest := digest_of(files)) != self._snapshot:
                packed = root / "control.zip"
                pack_snapshot(root, packed)
                with packed.open("rb") as file:
                    storage.put(snapshot_key(generation, self._next_time()), file)
                self._snapshot = digest
            shutil.rmtree(root)
            with self._database.write() as connection:
                progress.note_snapshot(connection, taken_at, self._named_at)
            took = time.monotonic() - began
            self._snapshot_due_at = began + max(SNAPSHOT_SECONDS, SNAPSHOT_SHARE * took)

    def _copy_batches(self, storage: FileStorage, generation: str) -> bool:
        """Copy what was committed, as one file; False if more is left."""
        check_stop()
        read_at = clock.now_us()
        with self._database.read() as connection:
            copied, is_all = read_uncopied(connection)
        if copied:
            storage.put(batches_key(generation, self._next_time()), io.BytesIO(encode_copies(copied)))
            telemetry.copied_events_total.inc(sum(log.end - log.first for log in copied))
        with self._database.write() as connection:
            progress.note_batches(connection, copied, self._named_at, read_at if is_all else None)
        return is_all

    def _begin_generation(self, storage: FileStorage, previous: str = "") -> None:
        """Make a full copy; meanwhile what is new still goes into the `previous` generation, if there is one."""
        self._expired = None  # what this one leaves if it fails is deleted by the next round
        unfinished = self._data_dir / UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)
        root = unfinished / FULL
        root.mkdir(mode=0o700, parents=True)
        began_at = self._next_time()
        generation, backup_id = time_name(began_at), uuid4()

        def alive() -> None:
            check_stop()
            self._disk.check()
            if not self.may_work(clock.now_us()):
                raise Unavailable("Another node makes the copies now.")
            if previous and time.monotonic() - self._round_at >= self._idle_seconds:
                self._copy_round(storage, previous)

        def complete(file: FileEntry) -> None:
            path = root / file.path
            with path.open("rb") as content:
                storage.put(f"{generation}/{FULL}/{file.path}", content)
            path.unlink()
            alive()

        watch = CopyWatch(lambda _done, _total: None, alive, complete, ("journal_tail",))
        with deletions_paused(self._database, backup_id):
            manifest = copy_databases(self._database, self._store, root, backup_id, watch)
            write_manifest(root, manifest)
            with (root / FILE).open("rb") as content:
                storage.put(f"{generation}/{FULL}/{FILE}", content)
        with self._database.write() as connection:
            progress.begin_generation(connection, generation, manifest.revision, began_at, manifest.logs)
        shutil.rmtree(unfinished)
        self._snapshot, self._snapshot_due_at, self._expired = None, 0.0, None
        logger.info("full_copy_complete", place=storage.where, events=manifest.events, bytes=manifest.bytes)
        self._copy_round(storage, generation)

    def _next_time(self) -> int:
        """A time for the next name, which orders names even if the clock is set back."""
        self._named_at = max(clock.now_us(), self._named_at + 1)
        return self._named_at

    def _copy_erasures(self, storage: FileStorage) -> None:
        """Add this node's list of erasures to the copied one, which outlives every generation."""
        path = self._data_dir / erasure_list.FILE
        content = path.read_bytes() if path.exists() else b""
        if content == self._erasures:
            return
        key, copied = f"{ERASURES}{make_node_id(self._data_dir)}", io.BytesIO()
        with suppress(FileMissing):
            storage.get(key, copied)
        lines = dict.fromkeys((*copied.getvalue().split(b"\n"), *content.split(b"\n")))
        storage.put(key, io.BytesIO(b"\n".join(lines) + b"\n"))
        self._erasures = content

    def _delete_expired(self, storage: FileStorage, generation: str, now: int) -> None:
        if not self._may_delete or self._lacks_events():
            return
        if self._expired is None or not 0 <= now - self._listed_at < LISTED_US:
            self._listed_at = now
            self._expired = expired_keys(list_generations(storage), generation, now - self._days * DAY_US)
        for key in self._expired[:DELETED_AT_ONCE]:
            check_stop()
            storage.delete(key)
        self._expired = self._expired[DELETED_AT_ONCE:]

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


def copies_kept_us(settings: Settings) -> int:
    """For how many microseconds copies may hold what was deleted from the databases; 0 if no copies are made.

    A generation is needed until the next one, which begins within a day, is old enough; that is looked at once a day.
    """
    return 0 if settings.copies_dir is None else (settings.copies_days + 2) * DAY_US
