"""Copies that are asked of a server, since its event store is its own: a row each, which the server's worker takes."""

import threading
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, func, insert, select, update

from tallystick import telemetry
from tallystick.backup.create import Progress, create
from tallystick.backup.manifest import Manifest
from tallystick.backup.tables import backups
from tallystick.clock import SECOND_US, now_us
from tallystick.database.engine import Database
from tallystick.errors import Unavailable
from tallystick.ids import new_uuid
from tallystick.store.events import EventStore
from tallystick.work.background import Background

WANTED, RUNNING, DONE, FAILED = "wanted", "running", "done", "failed"
IDLE_SECONDS = 1.0
logger = structlog.get_logger(__name__)


def order(connection: Connection, directory: Path, state: str = WANTED) -> UUID:
    """Ask for a copy."""
    now = now_us()
    backup_id = new_uuid(now)
    connection.execute(
        insert(backups).values(
            backup_id=backup_id, directory=str(directory), state=state, wanted_at=now, events=0, of_events=0, detail=""
        )
    )
    return backup_id


def look_at(connection: Connection, backup_id: UUID) -> Row[tuple[object, ...]]:
    """How it stands."""
    return connection.execute(select(backups).where(backups.c.backup_id == backup_id)).one()


def withdraw(connection: Connection, backup_id: UUID, detail: str) -> bool:
    """Give one up that is not over; False if it is."""
    mine = (backups.c.backup_id == backup_id) & backups.c.state.in_((WANTED, RUNNING))
    values = {"state": FAILED, "finished_at": now_us(), "detail": detail[:500]}
    return bool(connection.execute(update(backups).where(mine).values(values)).rowcount)


def last_finished(connection: Connection) -> int | None:
    """When the newest whole copy was finished; None for none."""
    found: int | None = connection.execute(
        select(func.max(backups.c.finished_at)).where(backups.c.state == DONE)
    ).scalar()
    return found


def carry_out(database: Database, store: EventStore, backup_id: UUID, directory: Path, told: Progress) -> Manifest:
    """Make the copy of an order, noting how it goes."""
    try:
        manifest = create(database, store, directory, backup_id, told)
    except BaseException as error:
        with database.write() as connection:
            withdraw(connection, backup_id, getattr(error, "detail", None) or str(error) or type(error).__name__)
        raise
    mine = backups.c.backup_id == backup_id
    with database.write() as connection:
        values = {"state": DONE, "finished_at": now_us(), "events": manifest.events}
        connection.execute(update(backups).where(mine).values(values))
    return manifest


class Told:
    """Keeps the order's row up to date while the copy is made, and ends it when the row or `stopping` says so."""

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


class Copier(Background):
    """The server's worker: makes the copies that are asked for, one after the other."""

    def __init__(self, database: Database, store: EventStore) -> None:
        super().__init__("backup", idle_seconds=IDLE_SECONDS, breath_seconds=IDLE_SECONDS)
        self._database = database
        self._store = store

    def open(self) -> None:
        """At the start of the only server: what was under way has died with the one before."""
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
        """Make the oldest copy that is wanted; False when there is none."""
        with self._database.read() as connection:
            wanted = select(backups).where(backups.c.state == WANTED).order_by(backups.c.wanted_at).limit(1)
            row = connection.execute(wanted).one_or_none()
            last = last_finished(connection)
        telemetry.last_backup_seconds.set((last or 0) // SECOND_US)
        if row is None:
            return False
        with self._database.write() as connection:
            mine = (backups.c.backup_id == row.backup_id) & (backups.c.state == WANTED)
            if not connection.execute(update(backups).where(mine).values(state=RUNNING)).rowcount:
                return False
        told = Told(self._database, row.backup_id, self.stopping)
        manifest = carry_out(self._database, self._store, row.backup_id, Path(row.directory), told)
        logger.info("backup_made", directory=row.directory, events=manifest.events, bytes=manifest.bytes)
        return True
