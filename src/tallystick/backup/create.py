"""Creation of a backup: first the control database at one moment, then every event that was stored at that moment.

Events that were in the journal then are in the copy of the control database; events recorded later are in neither.
While the backup runs no event is purged or erased (`work.leases`). The directory gets its name when it is complete.
"""

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, func, select

import tallystick
from tallystick.access.scopes import operator_scope
from tallystick.access.tables import organizations
from tallystick.backup import control_database
from tallystick.backup.manifest import FILE, BackupManifest, FileEntry, LogEntry, NewFile, open_file, write_manifest
from tallystick.clock import now_us, rfc3339
from tallystick.database.engine import Database
from tallystick.database.migrate import revision_of
from tallystick.durable import sync_folder
from tallystick.errors import Conflict, Unavailable
from tallystick.journal import set_aside
from tallystick.journal.lost_events import count_lost
from tallystick.ledger.tables import logs
from tallystick.retention.tables import prunings
from tallystick.store import transfer as rows
from tallystick.store.events import EventStore
from tallystick.work import leases
from tallystick.work.disk_space import LEAST_FREE_BYTES, DiskSpace
from tallystick.work.stop_signal import check_stop

EVENTS = "events"
UNFINISHED = ".partial"
HEARTBEAT_SECONDS = 20
Progress = Callable[[int, int], None]
"""Called with the number of copied events and of all; an exception that it raises ends the backup."""


@dataclass(frozen=True, slots=True)
class CopyWatch:
    """What is called while databases are copied; an exception that any of it raises ends the copy.

    `alive`: often. `complete`: with each file once it is on disk. `left_out`: names of tables that are not copied.
    `begun`: with the moment that is copied (µs since 1970), before the first file.
    """

    progress: Progress
    alive: Callable[[], None]
    complete: Callable[[FileEntry], None] = lambda _file: None
    left_out: Collection[str] = ()
    begun: Callable[[int], None] = lambda _taken_at: None


def create_backup(
    database: Database,
    store: EventStore,
    directory: Path,
    backup_id: UUID,
    progress: Progress,
    *,
    least_free_bytes: int = LEAST_FREE_BYTES,
) -> BackupManifest:
    """Create a backup in `directory`, which must not exist or be empty.

    Conflict when it is not, or when another backup runs; Unavailable when the backup lost its lease because it stalled,
    or when less than `least_free_bytes` are free on the disk of the directory.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Conflict(f"{directory} already exists. Choose a new directory, for example with the date in its name.")
    unfinished = directory.with_name(directory.name + UNFINISHED)
    with deletions_paused(database, backup_id):
        _remove_unfinished(unfinished)
        try:
            unfinished.mkdir(mode=0o700, parents=True)
            disk = DiskSpace(unfinished, least_free_bytes)
            watch = CopyWatch(progress, lambda: disk.check(f"the disk of {directory}"))
            manifest = copy_databases(database, store, unfinished, backup_id, watch)
            write_manifest(unfinished, manifest)
            unfinished.rename(directory)
            sync_folder(directory.parent)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)  # it would go on filling the disk under a name of its own
            raise
    return manifest


@contextmanager
def deletions_paused(database: Database, backup_id: UUID) -> Iterator[None]:
    """No event is deleted for good meanwhile. Conflict while another backup runs."""
    holder = str(backup_id)
    with database.write() as connection:
        if not leases.begin_backup(connection, holder, now=now_us()):
            raise Conflict(
                "Another backup is running. Wait until it has finished; one that crashed is ignored after ten minutes."
            )
    try:
        yield
    finally:
        leases.end(database, leases.BACKUP_LEASE, holder)


def _remove_unfinished(unfinished: Path) -> None:
    """Delete what an interrupted backup left; Conflict when the directory holds anything else."""
    if not unfinished.exists():
        return
    if {path.name for path in unfinished.iterdir()} - {control_database.FOLDER, EVENTS, FILE}:
        raise Conflict(f"{unfinished} exists and is not an unfinished backup. Choose another directory.")
    shutil.rmtree(unfinished)


def copy_databases(
    database: Database, store: EventStore, root: Path, backup_id: UUID, watch: CopyWatch
) -> BackupManifest:
    """Write the files of a backup below `root`, within `deletions_paused`; returns its manifest, not written yet."""
    watch.alive()
    with database.read() as connection:
        # The first statement fixes the moment of which this is a copy.
        found = connection.execute(
            select(
                logs.c.org_id,
                organizations.c.slug,
                logs.c.origin_id,
                logs.c.size,
                logs.c.root,
                logs.c.stored_end,
            )
            .join(organizations, organizations.c.org_id == logs.c.org_id)
            .order_by(logs.c.created_at)
        ).all()
        taken_at = now_us()
        watch.begun(taken_at)
        revision = revision_of(connection) or ""
        least = expected_events(connection)
        total = sum(least.values())
        alive = _Heartbeat(database, str(backup_id), lambda: watch.progress(0, total), watch.alive)
        files = []
        tables = control_database.tables_to_copy(connection, watch.left_out)
        for file in control_database.copy_tables(connection, root, alive, tables):
            files.append(file)
            watch.complete(file)
            _renew(database, str(backup_id))
    events = _EventCopier(database, store, root, str(backup_id), watch, total)
    kept = []
    for row in found:
        missing = max(least[row.org_id] - events.copy(row.org_id, row.stored_end), 0)
        kept.append(LogEntry(*row[:3], row.size, row.root.hex(), row.stored_end, missing))
    _renew(database, str(backup_id))
    return BackupManifest(
        backup_id=backup_id,
        format=1,
        version=tallystick.__version__,
        revision=revision,
        control="sqlite" if database.is_sqlite else "postgresql",
        taken_at=rfc3339(taken_at),
        finished_at=rfc3339(now_us()),
        events=events.done,
        logs=kept,
        files=[*files, *events.files],
        store_version=store.version().version,
    )


class _Heartbeat:
    """Renews the lease and reports progress while one table is copied, which may end the backup."""

    def __init__(self, database: Database, holder: str, tell: Callable[[], None], alive: Callable[[], None]) -> None:
        self._database = database
        self._holder = holder
        self._tell = tell
        self._alive = alive
        self._last = time.monotonic()

    def __call__(self) -> None:
        self._alive()
        if time.monotonic() - self._last >= HEARTBEAT_SECONDS:
            _renew(self._database, self._holder)
            self._tell()
            self._last = time.monotonic()


class _EventCopier:
    """Copies the events of the store, one file for each run of rows."""

    def __init__(
        self, database: Database, store: EventStore, root: Path, holder: str, watch: CopyWatch, total: int
    ) -> None:
        self._database = database
        self._store = store
        self._root = root
        self._holder = holder
        self._watch = watch
        self._total = total
        self.files: list[FileEntry] = []
        self.done = 0

    def copy(self, org_id: UUID, end: int) -> int:
        """Copy the events of one log below `end`; returns how many."""
        scope, before = operator_scope(org_id), self.done
        for number, window in enumerate(rows.copy_windows(self._store, scope)):
            _renew(self._database, self._holder)
            with NewFile(self._root, f"{EVENTS}/{org_id}/{number:06d}.arrow") as file:
                for piece in rows.rows_of(self._store, scope, window, 0, end):
                    check_stop()
                    self._watch.alive()
                    file.write(piece)
            count = _count(self._root, file.entry(0))
            self.files.append(file.entry(count))
            self.done += count
            self._watch.complete(self.files[-1])
            self._watch.progress(self.done, self._total)
        # A truncated answer looks like a complete one, so the events are counted again. Fewer is all right: a deletion
        # that had started before the backup may have finished meanwhile.
        if (there := rows.count_below(self._store, scope, end)) > self.done - before:
            raise Unavailable(
                f"The event store returned {self.done - before} of {there} events. Create another backup."
            )
        return self.done - before


def _count(root: Path, file: FileEntry) -> int:
    with open_file(root, file) as stream:
        return rows.count_in(stream)


def _renew(database: Database, holder: str) -> None:
    with database.write() as connection:
        if not leases.renew_backup(connection, holder, now=now_us()):
            raise Unavailable(
                "The backup stalled for so long that events may have been deleted in the meantime, and was cancelled. "
                "Create another one."
            )


def summary_of(manifest: BackupManifest, directory: Path) -> dict[str, object]:
    """The fields that `tallystick backup create --json` prints."""
    return {
        "directory": str(directory),
        "taken_at": manifest.taken_at,
        "finished_at": manifest.finished_at,
        "events": manifest.events,
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "logs": _sizes(manifest.logs),
        "missing": {log.slug: log.missing for log in manifest.logs if log.missing},
    }


def _sizes(kept: Sequence[LogEntry]) -> dict[str, int]:
    return {log.slug: log.size for log in kept}


def expected_events(connection: Connection) -> dict[UUID, int]:
    """For each log, the least number of events below its `stored_end` that the event store must have.

    Purged and lost events and events set aside are not in the store; those of a purge in progress may be gone already.
    """
    least = {row.org_id: row.stored_end - row.pruned for row in connection.execute(select(logs)).all()}
    going = select(prunings.c.org_id, func.sum(prunings.c.events)).group_by(prunings.c.org_id)
    purging = {row[0]: int(row[1]) for row in connection.execute(going)}
    absent = (set_aside.counts(connection), purging, count_lost(connection))
    for org_id, events in (one for counts in absent for one in counts.items()):
        least[org_id] = max(least.get(org_id, 0) - int(events), 0)
    return least
