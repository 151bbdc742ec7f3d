"""The work: looking, telling the log, taking, and getting the bytes off the disk, a step at a time."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import Row, select, update

from tallystick import clock
from tallystick.database.engine import Database
from tallystick.database.scrub import scrub
from tallystick.erasure import stages
from tallystick.erasure.places import SCRUBBED, Place
from tallystick.erasure.replay import replay
from tallystick.erasure.request import ARCHIVE, ERASE, LOOK, OPEN_DAYS, PLACES, SCRUB, SEARCH, TELL, WAIT, forget, one
from tallystick.erasure.tables import erasures
from tallystick.errors import TallystickError
from tallystick.retention.archive_reduced import Shelf
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


class Eraser(Background):
    """Does what was confirmed. A crash at any place goes on with the same erasure."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        data_dir: Path,
        places: Sequence[Place],
        shelf: Shelf | None = None,
    ) -> None:
        """`shelf`: the archive, if there is one now."""
        self._work = stages.Work(database, store, data_dir, places, shelf)
        self._stages = {
            LOOK: self._work.look,
            WAIT: self._work.wait,
            SEARCH: self._work.search,
            ERASE: self._work.erase,
            ARCHIVE: self._work.archive,
            PLACES: self._work.places_too,
        }
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("erasure", idle_seconds=IDLE_SECONDS, breath_seconds=0.02, lease=lease)
        self._database = database
        self._pauses = Pauses[UUID]("erasure", seconds=PAUSE_SECONDS)  # by erasure
        self._replayed = False

    def begin(self) -> None:
        """At the start, before anything is answered: is there to do again what an older copy forgot?"""
        try:
            replay(self._work.database, self._work.store, self._work.data_dir, whole=False)
            self._replayed = True
        except StoreError as error:
            logger.warning("erasures_not_replayed", error=str(error)[:500])

    def step(self, now: int | None = None) -> bool:
        """One step of one erasure; False when there is nothing that could be done at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            return False
        if not self._replayed:
            self.begin()
        self._expire(now)
        with self._database.read() as connection:
            statement = select(erasures).where(erasures.c.stage != "").order_by(erasures.c.requested_at)
            waiting = connection.execute(statement).all()
        for row in waiting:
            if self._pauses.is_paused(row.erasure_id, now):
                continue
            try:
                busy = self._do(row, now)
            except Exception as error:
                # What fails for one organization is tried again later, and holds up no other.
                self._pauses.pause(row.erasure_id, now)
                self._note(row, error.detail if isinstance(error, TallystickError) else type(error).__name__)
                raise
            self._note(row, "")
            if busy:
                return True
        return False

    def _do(self, row: Row[tuple[object, ...]], now: int) -> bool:
        if row.stage == TELL:
            return self._work.tell(row, now)
        return self._scrub(row, now) if row.stage == SCRUB else self._stages[row.stage](row)

    def _scrub(self, row: Row[tuple[object, ...]], now: int) -> bool:
        if not self._work.is_off_the_disk(row) or not scrub(self._database, SCRUBBED):
            return False
        with self._database.write() as connection:
            forget(connection, row.org_id, row.erasure_id, "completed", now)
        logger.info("erasure_completed", org_id=str(row.org_id), events=row.events)
        return True

    def _note(self, row: Row[tuple[object, ...]], waits_for: str) -> None:
        """Say what it waits for, if that changed."""
        if row.waits_for == waits_for[:300]:
            return
        with self._database.write() as connection:
            still = (one(row.org_id, row.erasure_id), erasures.c.stage != "")
            connection.execute(update(erasures).where(*still).values(waits_for=waits_for[:300]))

    def _expire(self, now: int) -> None:
        late = (
            erasures.c.state.in_(("looking", "ready")),
            erasures.c.requested_at <= now - OPEN_DAYS * clock.DAY_US,
        )
        wanted = select(erasures.c.org_id, erasures.c.erasure_id).where(*late)
        with self._database.read() as connection:
            if connection.execute(wanted).first() is None:
                return
        with self._database.write() as connection:
            for row in connection.execute(wanted.with_for_update()).all():
                forget(connection, row.org_id, row.erasure_id, "expired", now)
