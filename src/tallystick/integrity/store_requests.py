"""Commands about missing events, carried out here or by the running server that has the embedded event store open.

The command line asks the server by a row, and reads from it how far the server has come.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Connection, Row, insert, select, update

from tallystick.backup.request import BackupWorker
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import Conflict, TallystickError, Unavailable
from tallystick.ids import new_uuid
from tallystick.ingest.store_identity import StoreIdentity, replace_lost_store
from tallystick.integrity.loss_acceptance import AcceptedLoss, accept_loss
from tallystick.integrity.range_restore import Progress, RestoredLog, restore_range
from tallystick.integrity.tables import store_requests
from tallystick.journal.missing_ranges import IndexRange
from tallystick.settings import Settings
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.leases import LeaseLost

WANTED, RUNNING, DONE, FAILED = "wanted", "running", "done", "failed"
IDLE_SECONDS = 1.0
logger = structlog.get_logger(__name__)


class RestoreRangeCommand(msgspec.Struct, frozen=True, tag=True):
    """Restore missing events from the copy at `source`: of all organizations, or of one and of a range of indexes."""

    source: str
    slug: str = ""
    only: IndexRange | None = None


class AcceptLossCommand(msgspec.Struct, frozen=True, tag=True):
    """Accept what is missing of one organization within a range of indexes as lost."""

    slug: str
    pair: IndexRange


StoreCommand = RestoreRangeCommand | AcceptLossCommand


def carry_out(
    database: Database, store: EventStore, settings: Settings, command: StoreCommand, progress: Progress
) -> list[RestoredLog] | AcceptedLoss:
    """Carry out the command on the right event store. TallystickError, StoreError."""
    try:
        if isinstance(command, AcceptLossCommand):
            return accept_loss(database, store, command.slug, command.pair)
        return restore_range(database, store, settings, command.source, progress, slug=command.slug, only=command.only)
    except LeaseLost:
        raise Conflict(
            "The command stood still for so long that events may have been deleted in the meantime, and was cancelled. "
            "Run it again: it goes on."
        ) from None


def request_command(connection: Connection, command: StoreCommand) -> UUID:
    """Ask the running server to carry out a command; returns the request's id."""
    now = now_us()
    request_id = new_uuid(now)
    values = {"request_id": request_id, "command": msgspec.json.encode(command).decode(), "state": WANTED}
    values |= {"wanted_at": now, "events": 0, "of_events": 0, "detail": ""}
    connection.execute(insert(store_requests).values(values))
    return request_id


def read_command_request(connection: Connection, request_id: UUID) -> Row[Any]:
    """The row of a request: its state, progress and result."""
    return connection.execute(select(store_requests).where(store_requests.c.request_id == request_id)).one()


def cancel_command_request(connection: Connection, request_id: UUID, why: str) -> bool:
    """Mark a request that has not finished as failed; False if it has finished."""
    open_one = (store_requests.c.request_id == request_id) & store_requests.c.state.in_((WANTED, RUNNING))
    return _finish(connection, open_one, FAILED, why[:500])


def _finish(connection: Connection, which: Any, state: str, detail: str) -> bool:
    values = {"state": state, "finished_at": now_us(), "detail": detail}
    return bool(connection.execute(update(store_requests).where(which).values(values)).rowcount)


class StoreRequestWorker(Background):
    """The server's background worker: carries out requested commands, one after the other."""

    def __init__(self, database: Database, store: EventStore, identity: StoreIdentity, settings: Settings) -> None:
        super().__init__("store_requests", idle_seconds=IDLE_SECONDS, breath_seconds=IDLE_SECONDS)
        self._database = database
        self._store = store
        self._identity = identity
        self._settings = settings

    def open(self) -> None:
        """Mark requests of an earlier server process as failed; an embedded store has only one server."""
        if self._store.embedded:
            with self._database.write() as connection:
                died = store_requests.c.state.in_((WANTED, RUNNING))
                _finish(connection, died, FAILED, "the server was stopped meanwhile")

    def step(self) -> bool:
        """Carry out the oldest request; False if there is none."""
        with self._database.read() as connection:
            oldest = select(store_requests).where(store_requests.c.state == WANTED)
            row = connection.execute(oldest.order_by(store_requests.c.wanted_at).limit(1)).one_or_none()
        if row is None:
            return False
        mine = store_requests.c.request_id == row.request_id
        with self._database.write() as connection:
            wanted = mine & (store_requests.c.state == WANTED)
            if not connection.execute(update(store_requests).where(wanted).values(state=RUNNING)).rowcount:
                return False
        try:
            command: StoreCommand = msgspec.json.decode(row.command, type=StoreCommand)
            if isinstance(command, RestoreRangeCommand):
                replace_lost_store(self._database, self._store, self._settings.data_dir)
                self._identity.forget()
            self._identity.check()
            self._store.guard.check()
            done = carry_out(self._database, self._store, self._settings, command, self._progress(mine))
            with self._database.write() as connection:
                _finish(connection, mine, DONE, msgspec.json.encode(done).decode())
        except BaseException as error:
            with self._database.write() as connection:
                cancel_command_request(connection, row.request_id, getattr(error, "detail", None) or str(error))
            if not isinstance(error, TallystickError | StoreError):
                raise
            logger.warning("store_request_failed", error=str(error)[:500])
        return True

    def _progress(self, mine: Any) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            running = mine & (store_requests.c.state == RUNNING)
            with self._database.write() as connection:
                changed = update(store_requests).where(running).values(events=done, of_events=total)
                is_running = connection.execute(changed).rowcount
            if self.stopping.is_set():
                raise Unavailable("The server was stopped meanwhile. Run the command again: it goes on.")
            if not is_running:
                raise Unavailable("The command was cancelled.")

        return tell


def operator_workers(
    database: Database, store: EventStore, identity: StoreIdentity, settings: Settings
) -> tuple[BackupWorker, StoreRequestWorker]:
    """The server's workers that carry out what the operator's commands ask of it."""
    backups = BackupWorker(database, store, least_free_bytes=settings.least_free_mb << 20)
    return backups, StoreRequestWorker(database, store, identity, settings)
