"""Making a copy: the control database of one moment first, then every event that was in the store at that moment.

What the journal held then is in the control database's copy; what is recorded meanwhile is in neither. Until both are
copied nothing is deleted (`work.copying`). The copy gets its name when it is whole.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, func, select

import tallystick
from tallystick.access.scopes import operator_scope
from tallystick.access.tables import organizations
from tallystick.backup import control
from tallystick.backup.manifest import NAME, FileEntry, LogEntry, Manifest, NewFile, opened, write
from tallystick.clock import now_us, rfc3339
from tallystick.database.engine import Database
from tallystick.database.migrate import revision_of
from tallystick.durable import sync_folder
from tallystick.errors import Conflict, Unavailable
from tallystick.journal.tables import set_aside
from tallystick.ledger.tables import logs
from tallystick.retention.tables import prunings
from tallystick.store import copying as rows
from tallystick.store.events import EventStore
from tallystick.work import leases

EVENTS = "events"
UNFINISHED = ".partial"
BEAT_SECONDS = 20
Progress = Callable[[int, int], None]
"""Told how many events are copied, of how many; what it raises ends the copy."""


def create(database: Database, store: EventStore, directory: Path, backup_id: UUID, progress: Progress) -> Manifest:
    """Copy everything into `directory`, which must not be there yet or be empty.

    Conflict when there is something or another copy is being made; Unavailable when it took too long between two
    signs of life.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Conflict(f"{directory} already exists. Choose a new directory, for example with the date in its name.")
    holder = str(backup_id)
    with database.write() as connection:
        if not leases.begin_backup(connection, holder, now=now_us()):
            raise Conflict(
                "Another backup is running. Wait until it has finished; one that crashed is ignored after ten minutes."
            )
    unfinished = directory.with_name(directory.name + UNFINISHED)
    try:
        _remove_unfinished(unfinished)
        unfinished.mkdir(mode=0o700, parents=True)
        manifest = _copy(database, store, unfinished, backup_id, progress)
        _renew(database, holder)
        write(unfinished, manifest)
        unfinished.rename(directory)
        sync_folder(directory.parent)
    finally:
        leases.end(database, leases.BACKUP_LEASE, holder)
    return manifest


def _remove_unfinished(unfinished: Path) -> None:
    """What an interrupted copy left goes; anything else of that name does not."""
    if not unfinished.exists():
        return
    if {path.name for path in unfinished.iterdir()} - {control.FOLDER, EVENTS, NAME}:
        raise Conflict(f"{unfinished} exists and is not an unfinished backup. Choose another directory.")
    shutil.rmtree(unfinished)


def _copy(database: Database, store: EventStore, root: Path, backup_id: UUID, progress: Progress) -> Manifest:
    with database.read() as connection:
        # The first statement fixes the moment of which this is a copy.
        found = connection.execute(
            select(
                logs.c.org_id, organizations.c.slug, logs.c.origin_id, logs.c.size, logs.c.root, logs.c.stored_end,
            ).join(organizations, organizations.c.org_id == logs.c.org_id).order_by(logs.c.created_at)
        ).all()  # fmt: skip
        taken_at = now_us()
        revision = revision_of(connection) or ""
        least = expected_events(connection)
        total = sum(least.values())
        alive = _Alive(database, str(backup_id), lambda: progress(0, total))
        files = []
        for file in control.copy_out(connection, root, alive):
            files.append(file)
            _renew(database, str(backup_id))
    events = _Events(database, store, root, str(backup_id), lambda done: progress(done, total))
    kept = []
    for row in found:
        missing = max(least[row.org_id] - events.copy(row.org_id, row.stored_end), 0)
        kept.append(LogEntry(*row[:3], row.size, row.root.hex(), row.stored_end, missing))
    return Manifest(
        backup_id=backup_id, format=1, version=tallystick.__version__, revision=revision,
        control="sqlite" if database.is_sqlite else "postgresql", taken_at=rfc3339(taken_at),
        finished_at=rfc3339(now_us()), events=events.done, logs=kept, files=[*files, *events.files],
    )  # fmt: skip


class _Alive:
    """Renews the lease while one table is copied, and lets whoever asked for the copy end it."""

    def __init__(self, database: Database, holder: str, tell: Callable[[], None]) -> None:
        self._database = database
        self._holder = holder
        self._tell = tell
        self._last = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._last >= BEAT_SECONDS:
            _renew(self._database, self._holder)
            self._tell()
            self._last = time.monotonic()


class _Events:
    """Copies what the store holds, run by run."""

    def __init__(
        self, database: Database, store: EventStore, root: Path, holder: str, progress: Callable[[int], None]
    ) -> None:
        self._database = database
        self._store = store
        self._root = root
        self._holder = holder
        self._progress = progress
        self.files: list[FileEntry] = []
        self.done = 0

    def copy(self, org_id: UUID, end: int) -> int:
        """Copy the events of one log below `end`; how many."""
        scope, before = operator_scope(org_id), self.done
        for number, window in enumerate(rows.runs(self._store, scope)):
            _renew(self._database, self._holder)
            with NewFile(self._root, f"{EVENTS}/{org_id}/{number:06d}.arrow") as file:
                for piece in rows.rows_of(self._store, scope, window, 0, end):
                    file.write(piece)
            count = _count(self._root, file.entry(0))
            self.files.append(file.entry(count))
            self.done += count
            self._progress(self.done)
        # An answer that broke off looks like one that ended; a deletion that had begun may still have ended meanwhile.
        if (there := rows.count_below(self._store, scope, end)) > self.done - before:
            raise Unavailable(
                f"The event store returned {self.done - before} of {there} events. Create another backup."
            )
        return self.done - before


def _count(root: Path, file: FileEntry) -> int:
    with opened(root, file) as stream:
        return rows.count_in(stream)


def _renew(database: Database, holder: str) -> None:
    with database.write() as connection:
        if not leases.renew_backup(connection, holder, now=now_us()):
            raise Unavailable(
                "The backup stalled for so long that events may have been deleted in the meantime, and was cancelled. "
                "Create another one."
            )


def shown(manifest: Manifest, directory: Path) -> dict[str, object]:
    """What `tallystick backup create --json` prints."""
    return {
        "directory": str(directory), "taken_at": manifest.taken_at, "finished_at": manifest.finished_at,
        "events": manifest.events, "files": len(manifest.files), "bytes": manifest.bytes, "logs": _sizes(manifest.logs),
        "missing": {log.slug: log.missing for log in manifest.logs if log.missing},
    }  # fmt: skip


def _sizes(kept: Sequence[LogEntry]) -> dict[str, int]:
    return {log.slug: log.size for log in kept}


def expected_events(connection: Connection) -> dict[UUID, int]:
    """For each log, the least number of events below its `stored_end` that the event store must have.

    Purged events and events set aside are not in the store; those of a purge in progress may be gone already.
    """
    least = {row.org_id: row.stored_end - row.pruned for row in connection.execute(select(logs)).all()}
    aside = select(set_aside.c.org_id, func.count()).group_by(set_aside.c.org_id)
    going = select(prunings.c.org_id, func.sum(prunings.c.events)).group_by(prunings.c.org_id)
    for statement in (aside, going):
        for org_id, events in connection.execute(statement).all():
            least[org_id] = max(least.get(org_id, 0) - int(events), 0)
    return least
