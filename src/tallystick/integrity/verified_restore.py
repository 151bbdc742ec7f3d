"""Writes lost events into the event store again: compared with the log before, and read back after.

Purges and erasures wait for as long as the lease is held, so that no event comes back after its deletion.
"""

import time
from collections.abc import Sequence
from types import TracebackType
from uuid import UUID, uuid4

import msgspec
import structlog
from sqlalchemy import Connection, select

from tallystick import clock, telemetry
from tallystick.access.tables import organizations
from tallystick.database.engine import Database
from tallystick.errors import Conflict, NotFound
from tallystick.events.record import Record
from tallystick.integrity.late_events import remove_late
from tallystick.ledger.nodes import DetachedNodes
from tallystick.ledger.prover import entry_of_event
from tallystick.ledger.tables import logs
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.search.paging import as_stored_event
from tallystick.store import read_back
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.store.rows import Group
from tallystick.work import leases
from tallystick.work.leases import LeaseLost
from tallystick.work.stop_signal import check_stop

LEASE_SECONDS = 600
LEASE_PATIENCE_SECONDS = 60
logger = structlog.get_logger(__name__)


class LogName(msgspec.Struct, frozen=True):
    """A log: its organization's id and slug, and the id in its origin."""

    org_id: UUID
    slug: str
    origin_id: str


def find_logs(database: Database, slug: str = "") -> list[LogName]:
    """The logs of all organizations, or of one by its slug; NotFound."""
    joined = select(logs.c.org_id, organizations.c.slug, logs.c.origin_id).join(
        organizations, organizations.c.org_id == logs.c.org_id
    )
    with database.read() as connection:
        found = [LogName(*row) for row in connection.execute(joined.order_by(organizations.c.slug))]
    if slug and not (found := [one for one in found if one.slug == slug]):
        raise NotFound(f"There is no organization {slug}. See: tallystick org list")
    return found


class RestoreLease:
    """The lease under which one process at a time restores events, and deletions wait. A block ends it.

    `term` changes when the lease was lost and had again: what was read in an earlier term may be deleted since.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.term = leases.new_holder()
        self._is_kept = False

    def __enter__(self) -> "RestoreLease":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if not self._is_kept:
            leases.end(self._database, leases.RESTORE_LEASE, self.term)

    def hold(self, connection: Connection) -> bool:
        """Take or renew the lease; False if another process has it."""
        now = clock.now_us()
        if leases.renew(connection, leases.RESTORE_LEASE, self.term, now=now, seconds=LEASE_SECONDS):
            return True
        self.term = leases.new_holder()
        return leases.hold(connection, leases.RESTORE_LEASE, self.term, now=now, seconds=LEASE_SECONDS)

    def require(self, connection: Connection) -> None:
        """Raise LeaseLost if the term is over, and events may have been deleted since it began."""
        leases.require(connection, leases.RESTORE_LEASE, self.term)

    def keep(self) -> None:
        """Let the lease expire instead of ending it: a server may be about to carry out an insert."""
        self._is_kept = True

    def wait(self) -> None:
        """Take or renew the lease, for which this waits a while; Conflict if another process keeps it."""
        began = time.monotonic()
        while True:
            with self._database.write() as connection:
                if self.hold(connection):
                    return
            if time.monotonic() - began > LEASE_PATIENCE_SECONDS:
                raise Conflict("Another process restores events now. Wait until it has ended, then try again.")
            check_stop()
            time.sleep(0.2)


def insert_as_in_log(
    database: Database, store: EventStore, org_id: UUID, events: Sequence[tuple[int, Record]], lease: RestoreLease
) -> list[int]:
    """Insert those events, ascending by index, that give their entry in the log, and read them back.

    The caller holds the lease since before it read them, and has left out what the store holds. Returns the indexes of
    the other events. LeaseLost, and nothing is left that was deleted meanwhile, if this process stood still for longer
    than the lease.
    """
    differing, groups = _divide(database, org_id, events)
    if groups:
        with database.write() as connection:
            lease.require(connection)
        try:
            _insert(store, groups, lease)
        finally:
            _remove_late(database, store, groups, lease)
        telemetry.events_restored_total.inc(len(events) - len(differing))
    return differing


def _insert(store: EventStore, groups: Sequence[Group], lease: RestoreLease) -> None:
    try:
        store.insert(groups, f"restored-{uuid4()}")
    except StoreError:
        if not store.embedded:
            lease.keep()
        raise
    read_back.check_rows(store, groups)


def _remove_late(database: Database, store: EventStore, groups: Sequence[Group], lease: RestoreLease) -> None:
    """Raise LeaseLost if the lease was lost before the insert, after removing what was deleted meanwhile.

    Deletions that begin after this look come after the insert, and find its rows.
    """
    try:
        with database.write() as connection:
            lease.require(connection)
    except LeaseLost:
        for org_id, first, records in groups:
            remove_late(database, store, org_id, first, first + len(records))
        raise


def _divide(database: Database, org_id: UUID, events: Sequence[tuple[int, Record]]) -> tuple[list[int], list[Group]]:
    """The indexes of events that differ from their entries, and runs of the others."""
    nodes = DetachedNodes(database, org_id)
    tile, entries = -1, b""
    differing: list[int] = []
    runs: list[tuple[UUID, int, list[Record]]] = []
    for index, record in events:
        position, place = divmod(index, TILE_WIDTH)
        if position != tile:
            tile, entries = position, nodes.entries(position)
        if not _matches_entry(record, index, entries[place * ENTRY_BYTES : (place + 1) * ENTRY_BYTES]):
            differing.append(index)
            logger.error("copy_differs_from_log", org_id=str(org_id), index=index)
        elif runs and runs[-1][1] + len(runs[-1][2]) == index:
            runs[-1][2].append(record)
        else:
            runs.append((org_id, index, [record]))
    return differing, list(runs)


def _matches_entry(record: Record, index: int, entry: bytes) -> bool:
    try:
        return entry_of_event(as_stored_event(index, record)) == entry
    except (ValueError, TypeError, OverflowError, AttributeError):  # of a copy that was altered
        return False
