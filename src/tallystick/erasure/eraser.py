"""The background worker of erasures: searches, records, redacts and scrubs the disk, one step at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, select, update

from tallystick import clock
from tallystick.access.decisions import are_decisions_late, expire_decisions
from tallystick.database.engine import Database
from tallystick.database.scrub import scrub
from tallystick.erasure import stages
from tallystick.erasure.personal_data import SCRUBBED, PersonalData
from tallystick.erasure.replay import replay
from tallystick.erasure.request import (
    ARCHIVE,
    ERASE,
    ERASURE,
    LOOK,
    PLACES,
    SCRUB,
    SEARCH,
    TELL,
    WAIT,
    forget,
    is_erasure,
)
from tallystick.erasure.tables import erasures
from tallystick.errors import TallystickError
from tallystick.retention.archive_erasure import ArchiveEraser
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "erasure"
LEASE_SECONDS = 600  # one statement of the store may take minutes
IDLE_SECONDS = 2.0
PAUSE_SECONDS = 60
logger = structlog.get_logger(__name__)


class ErasedInCopies(Protocol):
    """What continuous copies know of erasures."""

    def erased_until(self, connection: Connection, now: int) -> int | None:
        """Until when they may hold what is erased `now` (µs since 1970); None if there are none."""

    def list_waits(self) -> str:
        """Why they do not have this node's list of erasures yet; empty if they do, or if none are made."""


class Eraser(Background):
    """Runs the stages of every erasure. After a crash it continues with the stage that was saved last."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        data_dir: Path,
        places: Sequence[PersonalData],
        archive_eraser: ArchiveEraser | None = None,
        copies: ErasedInCopies | None = None,
    ) -> None:
        """`archive_eraser` is the archive of purged events, or None when none is configured."""
        self._copies = copies
        self._work = stages.ErasureStages(database, store, data_dir, places, archive_eraser)
        self._stages = {
            LOOK: self._work.look,
            WAIT: self._work.wait,
            SEARCH: self._work.search,
            ERASE: self._work.erase,
            ARCHIVE: self._work.archive,
            PLACES: self._work.erase_elsewhere,
        }
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("erasure", idle_seconds=IDLE_SECONDS, breath_seconds=0.02, lease=lease)
        self._database = database
        self._pauses = Pauses[UUID]("erasure", seconds=PAUSE_SECONDS)  # by erasure
        self._replayed = False

    def replay_at_start(self) -> None:
        """Schedule again what a restored backup brought back. Runs at startup, before requests are answered."""
        try:
            replay(self._work.database, self._work.store, self._work.data_dir, whole=False)
            self._replayed = True
        except StoreError as error:
            logger.warning("erasures_not_replayed", error=str(error)[:500])

    def step(self, now: int | None = None) -> bool:
        """Do one step of one erasure; False when none can be done at `now` (µs since 1970)."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            return False
        if not self._replayed:
            self.replay_at_start()
        self._expire(now)
        with self._database.read() as connection:
            statement = select(erasures).where(erasures.c.stage != "").order_by(erasures.c.requested_at)
            waiting = connection.execute(statement).all()
        for row in waiting:
            if self._pauses.is_paused(row.erasure_id, now):
                continue
            try:
                busy = self._run_stage(row, now)
            except Exception as error:
                if self.stopping.is_set():  # it was broken off, and did not fail
                    raise
                # A failing erasure is retried later, so that it does not hold up the others.
                self._pauses.pause(row.erasure_id, now)
                self._save_problem(row, error.detail if isinstance(error, TallystickError) else type(error).__name__)
                raise
            self._save_problem(row, "" if busy or row.stage != SCRUB else self._list_waits())
            if busy:
                return True
        return False

    def _run_stage(self, row: Row[tuple[object, ...]], now: int) -> bool:
        if row.stage == TELL:
            return self._work.record(row, now)
        return self._scrub(row, now) if row.stage == SCRUB else self._stages[row.stage](row)

    def _scrub(self, row: Row[tuple[object, ...]], now: int) -> bool:
        # A restore from copies has to know what to erase again.
        if self._list_waits() or not self._work.is_purged_from_disk(row) or not scrub(self._database, SCRUBBED):
            return False
        with self._database.write() as connection:
            copies_until = self._copies.erased_until(connection, now) if self._copies is not None else None
            forget(connection, row.org_id, row.erasure_id, "completed", now, copies_until)
        logger.info("erasure_completed", org_id=str(row.org_id), events=row.events)
        return True

    def _list_waits(self) -> str:
        return "" if self._copies is None else self._copies.list_waits()

    def _save_problem(self, row: Row[tuple[object, ...]], waits_for: str) -> None:
        """Save why the last step failed (empty: it did not), if that changed."""
        if row.waits_for == waits_for[:300]:
            return
        with self._database.write() as connection:
            still = (is_erasure(row.org_id, row.erasure_id), erasures.c.stage != "")
            connection.execute(update(erasures).where(*still).values(waits_for=waits_for[:300]))

    def _expire(self, now: int) -> None:
        with self._database.read() as connection:
            if not are_decisions_late(connection, (ERASURE,), now=now):
                return
        with self._database.write() as connection:
            for org_id, decision in expire_decisions(connection, (ERASURE,), now=now):
                forget(connection, org_id, decision.target_id, "expired", now)
