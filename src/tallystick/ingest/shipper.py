"""The shipper: the worker that copies the journal into the event store; one process at a time, by lease."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from uuid import UUID

import structlog
from sqlalchemy import Connection

from tallystick import clock, telemetry
from tallystick.access.scopes import operator_scope
from tallystick.clock import HOUR_US, SECOND_US
from tallystick.database.engine import Database
from tallystick.errors import SettingsError
from tallystick.ingest import shipments
from tallystick.ingest.shipments import Shipment, ShipmentRange
from tallystick.ingest.store_identity import StoreIdentity
from tallystick.journal import set_aside, tail
from tallystick.store import doubled, expiry, read_back
from tallystick.store.errors import StoreError, StoreRefusal
from tallystick.store.events import EventStore
from tallystick.store.rows import Group
from tallystick.work.background import Background
from tallystick.work.disk_space import DiskSpace
from tallystick.work.leases import Lease, LeaseLost

LEASE = "shipper"
LEASE_SECONDS = 30
# A little patience makes a few large inserts of many small ones, each of which costs some 30 ms of processor time, and
# more to merge. While events come in numbers, three times as much: who records by hand waits the shorter time.
GATHER_SECONDS = 0.1
BUSY_SHIPMENT, BUSY_FACTOR = 20, 3
SMALL_SHIPMENT = shipments.MOST_EVENTS // 2
IDLE_SECONDS = 0.5
TRIM_SECONDS = 60
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
VERSION_SECONDS = 10.0  # between two looks at the version of the event store
# Failures that a healthy store gives to one shipment again and again speak of the shipment.
TRIES_BEFORE_HALVING = 2
TRIES_OF_ONE_EVENT = 10
logger = structlog.get_logger(__name__)


class Shipper(Background):
    """Copies events from the journal to the event store, in index order by organization. Only search waits for it."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        identity: StoreIdentity,
        *,
        gather_seconds: float = GATHER_SECONDS,
        disk: DiskSpace | None = None,
        tail_limits: tuple[int, int] = (24, 512 << 20),
        remove_late: Callable[[UUID, int, int], object] = lambda _org, _first, _end: None,
    ) -> None:
        """`gather_seconds`: how long it waits after a small shipment for more events to come.

        `disk`: of an event store that is embedded; it gets nothing while space is short. `tail_limits`: for how many
        hours, and how many bytes, the journal keeps of what is stored. `remove_late` is called with an organization and
        its indexes first ≤ index < end that this process inserted after another one had taken over: they may have been
        deleted before.
        """
        self._remove_deleted = remove_late
        self._tail_hours, self._tail_bytes = tail_limits
        self._trimmed_at = 0
        self.disk = disk if store.embedded else None
        if self.disk is not None:
            store.guard.has_space = self.disk.may_work
        self._is_short_of_space = False
        self._version_at, self._version_term = 0.0, ""
        self.held = Lease(database, LEASE, seconds=LEASE_SECONDS)
        self.turn = threading.Lock()  # of whoever changes which table has the events: a step, or an exchange of tables
        super().__init__("shipping", idle_seconds=IDLE_SECONDS, breath_seconds=gather_seconds, lease=self.held)
        self.database = database
        self._store = store
        self._identity = identity
        self._opened = False
        self._settled: Shipment | None = None
        self._inserted: tuple[ShipmentRange, ...] = ()  # which may be in the store, and are not yet noted as stored
        self._term = ""  # of the lease, in which they were
        # The parts that the store had before an insert that is not checked yet: those after the last one that was, or
        # None if that is not known. A part that somebody else made meanwhile is checked as well.
        self._parts_before: dict[str, int] | None = None
        self._late: tuple[ShipmentRange, ...] = ()  # which were inserted after another process had taken over
        self._last_count = 0
        self._begun_anew = 0  # shipments in a row that could not be read back

    def breath(self, _took: float) -> float:
        if self._last_count >= SMALL_SHIPMENT:
            return 0.0
        return self._breath_seconds * (BUSY_FACTOR if self._last_count >= BUSY_SHIPMENT else 1)

    def retry_pause(self, failures: int) -> float:
        return min(FIRST_PAUSE * float(2 ** min(failures - 1, 10)), LONGEST_PAUSE)

    def log_failure(self, error: Exception) -> None:
        if isinstance(error, StoreError):
            self._identity.forget()
            logger.warning("store_failed", error=str(error)[:500])
        else:
            super().log_failure(error)

    def step(self) -> bool:
        """Ship one shipment; False if there is none. After a StoreError it stays fixed and is sent again."""
        with self.turn:
            return self._step()

    def _step(self) -> bool:
        store_id = self._accepted_store()
        is_holder = self.may_work(clock.now_us())
        self._check_version(has_begun=is_holder and self.held.term != self._version_term)
        if self._inserted and (not is_holder or self.held.term != self._term):
            self._note_late()
        if store_id is not None and self._store.is_usable():
            self._remove_late()
        if store_id is None or not is_holder or self._waits_for_space():
            return False
        if not self._store.is_usable():  # until it is rebuilt, the journal has the events
            return False
        self._trim_tail(clock.now_us())
        try:
            return self._ship_next(store_id)
        except LeaseLost:
            self._note_late()
            raise

    def _note_late(self) -> None:
        """The lease was lost after an insert, or before it: the next step looks at what the insert brought."""
        self._late, self._inserted, self._settled = (*self._late, *self._inserted), (), None
        self._parts_before = None

    def _ship_next(self, store_id: UUID) -> bool:
        with self.database.read() as connection:
            groups = shipments.next_groups(connection)
            has_work = bool(groups or self._settled or shipments.oldest_open(connection))
        if not has_work:
            return False
        fixed = None
        with self._write() as connection:
            if self._settled is not None:
                shipments.settle(connection, self._settled, now=clock.now_us())
            unfinished = shipments.oldest_open(connection)
            if groups and unfinished is None:
                fixed = shipments.fix(connection, groups, store_id=store_id, now=clock.now_us())
        self._settled, self._inserted = None, ()
        if unfinished is not None:
            self._send_again(unfinished, store_id)
        elif fixed is not None:
            self._send(fixed, groups)
        return True

    def _accepted_store(self) -> UUID | None:
        """The id of the event store; None if it is not the one that the events belong to."""
        if not self._opened:
            self._store.open()  # a server may have been away when this one started
            self._opened = True
        return self._identity.check()

    def _check_version(self, *, has_begun: bool) -> None:
        """End the server if a newer one has rebuilt the event store, which happens while that one has the lease.

        `has_begun`: this process has the lease since now.
        """
        if not has_begun and time.monotonic() - self._version_at < VERSION_SECONDS:
            return
        try:
            self._store.version()
        except SettingsError as error:
            self.held.end()
            self._identity.on_other_node(error)
            raise
        self._version_at, self._version_term = time.monotonic(), self.held.term

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """A transaction of the holder of the lease: LeaseLost if this process has stood still and lost it."""
        with self.database.write() as connection:
            self.held.require(connection)
            yield connection

    def _remove_late(self) -> None:
        """Remove what this process inserted too late, where others had inserted or deleted it meanwhile."""
        self._remove_doubled(self._late)
        for part in self._late:
            self._remove_deleted(part.org_id, part.first, part.end)
        self._late = ()

    def _remove_doubled(self, ranges: Sequence[ShipmentRange]) -> None:
        for part in ranges:
            if count := doubled.remove(self._store, part.org_id, part.first, part.end):
                logger.warning("doubled_events_removed", org_id=str(part.org_id), first=part.first, events=count)

    def _trim_tail(self, now: int) -> None:
        """Once a minute, delete what the journal's tail has kept long enough."""
        if 0 <= now - self._trimmed_at < TRIM_SECONDS * SECOND_US:
            return
        self._trimmed_at = now
        with self.database.write() as connection:
            tail.trim(connection, before=now - self._tail_hours * HOUR_US, most_bytes=self._tail_bytes)
            telemetry.journal_tail_bytes.set(tail.size(connection))

    def _waits_for_space(self) -> bool:
        """Whether the disk has too little space; merges, which need twice the space of their parts, wait as well."""
        is_short = self.disk is not None and not self.disk.may_work()
        if is_short != self._is_short_of_space:
            self._store.allow_merges(not is_short)
            self._is_short_of_space = is_short
            logger.warning("shipping_waits_for_disk_space" if is_short else "shipping_goes_on")
        return is_short

    def _send(self, shipment: Shipment, groups: list[Group]) -> None:
        """Insert a shipment; it counts as stored once all of it was read back."""
        try:
            if self._parts_before is None:
                self._parts_before = read_back.inserted_parts(self._store)
            with self._write():  # as late as possible: an insert cannot be taken back
                self._inserted, self._term = shipment.ranges, self.held.term
            self._store.insert(groups, shipment.token)
            rows = self._check_new_parts()
            # Other than those of a server, the embedded engine's files hold the rows that this process gave it. Their
            # number differs where parts were merged meanwhile, the token was known, or rows are not stored.
            if not self._store.embedded or rows != shipment.count:
                read_back.check_rows(self._store, groups)
        except read_back.NotReadBack as error:
            self._begin_anew(shipment, error)
        except StoreError as error:
            self._failed(shipment, error)
        else:
            self._mark_stored(shipment)

    def _begin_anew(self, shipment: Shipment, error: StoreError) -> None:
        """Fix what is missing of a shipment under another token: the store may remember the token and not the rows."""
        missing = self._missing(shipment)
        present = shipments.without(shipment.ranges, missing)
        with self._write() as connection:
            shipments.note_attempt(connection, shipment, str(error))
            if missing:
                shipments.replace_by(
                    connection, shipment, [missing, present], store_id=shipment.store_id, now=clock.now_us()
                )
        telemetry.shipments_total.labels("not_read_back").inc()
        logger.warning("not_read_back", error=str(error)[:500])
        self._begun_anew += 1
        if self._begun_anew > 1 or not missing:
            raise error

    def _check_new_parts(self) -> int:
        """The number of rows in the parts that came since the last insert began; NotReadBack if some are damaged.

        An insert that fails may leave parts, and there may be no space to take a damaged one out: the next try does so.
        """
        if self._parts_before is None:
            return 0
        there = read_back.inserted_parts(self._store)
        parts = {name: rows for name, rows in there.items() if name not in self._parts_before}
        self._detach_broken(sorted(parts))
        self._parts_before = there
        return sum(parts.values())

    def _detach_broken(self, parts: list[str]) -> None:
        """Raise NotReadBack if files of the parts that an insert made are damaged, and take these parts out.

        All of their rows are in the journal still. Where they stayed, every search over them would fail.
        """
        broken = read_back.broken_parts(self._store, parts)
        for part in broken:
            read_back.detach_part(self._store, part)
            logger.error("part_detached", part=part)
        if broken:
            raise read_back.NotReadBack(f"the event store wrote damaged files: {', '.join(broken)}")

    def _mark_stored(self, shipment: Shipment) -> None:
        # Settled with the next shipment's fixing: one transaction and one flush less. A crash in between
        # finds the shipment open and all its rows in the store.
        self._settled = shipment
        self._begun_anew = 0
        self._last_count = shipment.count
        telemetry.shipments_total.labels("stored").inc()

    def _send_again(self, shipment: Shipment, store_id: UUID) -> None:
        """A shipment that may have been sent before: ask which rows arrived before sending the others."""
        with suppress(read_back.NotReadBack):  # what was damaged is missing now
            self._check_new_parts()
        missing = self._missing(shipment)
        try:
            self._check_present(shipment, missing)
        except read_back.NotReadBack:
            self._take_back(shipment, store_id)
            raise
        if not missing:
            self._mark_stored(shipment)
            return
        whole = missing == shipment.ranges and shipment.store_id == store_id
        if not whole:
            # Half a stored batch under its old token would double, or vanish: the rest is fixed anew.
            with self._write() as connection:
                shipments.replace_by(connection, shipment, [missing], store_id=store_id, now=clock.now_us())
            return
        with self.database.read() as connection:
            groups = shipments.load(connection, shipment)
        self._send(shipment, groups)

    def _take_back(self, shipment: Shipment, store_id: UUID) -> None:
        """Delete the rows of a shipment that differ from what was sent, and fix it anew: the journal has its events."""
        with self._write() as connection:
            fixed = (shipment.ranges,)
            shipments.replace_by(connection, shipment, fixed, store_id=store_id, now=clock.now_us())
        for part in shipment.ranges:
            expiry.delete_indexes(self._store, operator_scope(part.org_id), range(part.first, part.end))
            logger.error("differing_rows_removed", org_id=str(part.org_id), first=part.first, end=part.end)

    def _check_present(self, shipment: Shipment, missing: tuple[ShipmentRange, ...]) -> None:
        """Raise NotReadBack if a part of the shipment that arrived earlier is not in the store as it was sent."""
        present = replace(shipment, ranges=shipments.without(shipment.ranges, missing))
        if present.count:
            self._remove_doubled(present.ranges)  # the process that had the lease before may have sent it late
            with self.database.read() as connection:
                groups = shipments.load(connection, present)
            read_back.check_rows(self._store, groups)

    def _missing(self, shipment: Shipment) -> tuple[ShipmentRange, ...]:
        missing: list[ShipmentRange] = []
        for part in shipment.ranges:
            there = self._store.present(part.org_id, part.first, part.end)
            at = part.first
            while at < part.end:
                if at in there:
                    at += 1
                    continue
                first = at
                while at < part.end and at not in there:
                    at += 1
                missing.append(ShipmentRange(part.org_id, first, at))
        return tuple(missing)

    def _failed(self, shipment: Shipment, error: StoreError) -> None:
        """Raise the error again if the store is failing; if the shipment is bad, narrow it down to the bad event."""
        with self._write() as connection:
            shipment = shipments.note_attempt(connection, shipment, str(error))
        telemetry.shipments_total.labels("failed").inc()
        refused = isinstance(error, StoreRefusal)
        if not refused and (shipment.attempts < TRIES_BEFORE_HALVING or not self._store.accepts_writes()):
            raise error
        missing = self._missing(shipment)
        rest = Shipment(shipment.id, shipment.token, shipment.store_id, shipment.attempts, missing)
        if rest.count > 1:
            with self._write() as connection:
                shipments.replace_by(
                    connection, shipment, shipments.halves(rest), store_id=shipment.store_id, now=clock.now_us()
                )
        elif rest.count == 1 and (refused or shipment.attempts >= TRIES_OF_ONE_EVENT):
            self._set_aside(rest, error)
        elif rest.count == 1:
            raise error

    def _set_aside(self, shipment: Shipment, error: StoreError) -> None:
        part = shipment.ranges[0]
        with self._write() as connection:
            groups: list[Group] = shipments.load(connection, shipment)
            now = clock.now_us()
            set_aside.put(connection, part.org_id, part.first, groups[0][2][0], str(error), now)
            shipments.settle(connection, shipment, now=now)
        telemetry.set_aside_total.inc()
        telemetry.shipments_total.labels("set_aside").inc()
        logger.error("event_set_aside", org_id=str(part.org_id), index=part.first, error=str(error)[:500])
