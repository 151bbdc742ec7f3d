"""Backup requests: rows by which the command line asks a running server with an embedded event store for a backup."""

import threading
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, func, insert, select, update

from tallystick.backup.create import Progress, create_backup
from tallystick.backup.manifest import BackupManifest
from tallystick.backup.tables import backups
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import Unavailable
from tallystick.ids import new_uuid
from tallystick.store.events import EventStore
from tallystick.work.background import Background

WANTED, RUNNING, DONE, FAILED = "wanted", "running", "done", "failed"
IDLE_SECONDS = 1.0
logger = structlog.get_logger(__name__)


def request_backup(connection: Connection, directory: Path, state: str = WANTED) -> UUID:
    """Insert a request for a backup in this directory; returns its id."""
    now = now_us()
    backup_id = new_uuid(now)
    connection.execute(
        insert(backups).values(
            backup_id=backup_id, directory=str(directory), state=state, wanted_at=now, events=0, of_events=0, detail=""
        )
    )
    return backup_id


def read_request(connection: Connection, backup_id: UUID) -> Row[tuple[object, ...]]:
    """The row of a request: its state and progress."""
    return connection.execute(select(backups).where(backups.c.backup_id == backup_id)).one()


def cancel_request(connection: Connection, backup_id: UUID, detail: str) -> bool:
    """Mark a request that has not finished as failed; False when it has finished."""
    mine = (backups.c.backup_id == backup_id) & backups.c.state.in_((WANTED, RUNNING))
    values = {"state": FAILED, "finished_at": now_us(), "detail": detail[:500]}
    return bool(connection.execute(update(backups).where(mine).values(values)).rowcount)


def last_finished_at(connection: Connection) -> int | None:
    """When the newest complete backup finished (µs since 1970); None when there is none."""
    found: int | None = connection.execute(
        select(func.max(backups.c.finished_at)).where(backups.c.state == DONE)
    ).scalar()
    return found


def run_backup(
    database: Database,
    store: EventStore,
    backup_id: UUID,
    directory: Path,
    told: Progress,
    *,
    least_free_bytes: int,
) -> BackupManifest:
    """Create the backup of a request, and store in its row how it ended."""
    try:
        manifest = create_backup(database, store, directory, backup_id, told, least_free_bytes=least_free_bytes)
    except BaseException as error:
        with database.write() as connection:
            cancel_request(connection, backup_id, getattr(error, "detail", None) or str(error) or type(error).__name__)
        raise
    mine = backups.c.backup_id == backup_id
    with database.write() as connection:
        values = {"state": DONE, "finished_at": now_us(), "events": manifest.events}
        connection.execute(update(backups).where(mine).values(values))
    return manifest


class RequestProgress:
    """Stores the progress in the request's row; raises Unavailable when it was cancelled or the server stops."""

    def __init__(self, database: Database, backup_id: UUID, stopping: threading.Event) -> None:
        self._database = database
        self._backup_id = backup_id
        self._stopping = stopping

    def __call__(self, done: int, total: int) -> None:
        mine = (backups.c.backup_id == self._backup_id) & (backups.c.state == RUNNING)
        with self._database.write() as connection:
            running = connection.execute(update(backups).where(mine).values(events=done, of_events=total)).rowcount
        if self._stopping.is_set():
            raise Unavailable("The server was stopped during the backup. Try again.")
        if not running:
            raise Unavailable("The backup was cancelled.")


class BackupWorker(Background):
    """The server's background worker: creates requested backups, one after the other."""

    def __init__(self, database: Database, store: EventStore, least_free_bytes: int) -> None:
        super().__init__("backup", idle_seconds=IDLE_SECONDS, breath_seconds=IDLE_SECONDS)
        self._database = database
        self._store = store
        self._least_free_bytes = least_free_bytes

    def open(self) -> None:
        """Mark requests of an earlier server process as failed; an embedded store has only one server."""
        if self._store.embedded:
            with self._database.write() as connection:
                died = backups.c.state.in_((WANTED, RUNNING))
                values = {
                    "state": FAILED,
                    "finished_at": now_us(),
                    "detail": "the server was stopped during the backup",
                }
                connection.execute(update(backups).where(died).values(values))

    def step(self) -> bool:
        """Create the oldest requested backup; False when there is none."""
        with self._database.read() as connection:
            wanted = select(backups).where(backups.c.state == WANTED).order_by(backups.c.wanted_at).limit(1)
            row = connection.execute(wanted).one_or_none()
        if row is None:
            return False
        with self._database.write() as connection:
            mine = (backups.c.backup_id == row.backup_id) & (backups.c.state == WANTED)
            if not connection.execute(update(backups).where(mine).values(state=RUNNING)).rowcount:
                return False
        told = RequestProgress(self._database, row.backup_id, self.stopping)
        manifest = run_backup(
            self._database,
            self._store,
            row.backup_id,
            Path(row.directory),
            told,
            least_free_bytes=self._least_free_bytes,
        )
        logger.info("backup_made", directory=row.directory, events=manifest.events, bytes=manifest.bytes)
        return True
