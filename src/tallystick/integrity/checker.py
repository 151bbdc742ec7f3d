"""The thread that looks through one log after the other, a slice and a pause at a time."""

from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Connection

from tallystick import clock, telemetry
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, resource, tell
from tallystick.access.scopes import operator_scope
from tallystick.clock import rfc3339
from tallystick.database.engine import Database
from tallystick.integrity import rounds
from tallystick.integrity.check_slice import Looker
from tallystick.integrity.prune_tree import trim
from tallystick.integrity.rounds import Problem, Round
from tallystick.outbox.write import TALLYSTICK
from tallystick.query.scope import Principal
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "integrity"
LEASE_SECONDS = 300
IDLE_SECONDS = 5.0
# After a slice a pause of so many times what it took: a machine's round is in no hurry.
PATIENCE, HASTE = 4.0, 0.5
LEAST_PAUSE_SECONDS = 0.02
FAILED_PAUSE_SECONDS = 300
logger = structlog.get_logger(__name__)


class Checker(Background):
    """Looks through the logs. A crash at any place goes on behind the last slice that was written down."""

    def __init__(self, database: Database, store: EventStore) -> None:
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("integrity_check", idle_seconds=IDLE_SECONDS, lease=lease)
        self._database = database
        self._store = store
        self._looking: tuple[UUID, Looker] | None = None
        self._haste = False
        self._pauses = Pauses[UUID]("integrity_check", seconds=FAILED_PAUSE_SECONDS)  # by organization

    def breath(self, taken: float) -> float:
        return LEAST_PAUSE_SECONDS + taken * (HASTE if self._haste else PATIENCE)

    def step(self, now: int | None = None) -> bool:
        """One slice; False when there is nothing to do at `now` (microseconds; the clock's)."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            self._looking = None
            return False
        with self._database.write() as connection:
            due = rounds.next_due(connection, now=now, but=self._pauses.paused(now))
            if due is None:
                self._looking = None
                return False
            org_id, running = due
            if running is None:
                running = rounds.begin(connection, org_id, now=now)
                self._looking = None
        try:
            self._slice(org_id, running, now)
        except Exception:
            # What fails for one log is tried again later, and holds up no other.
            self._pauses.pause(org_id, now)
            self._looking = None
            raise
        return True

    def _slice(self, org_id: UUID, running: Round, now: int) -> None:
        self._haste = running.asked_by is not None
        looker = self._looker(org_id)
        after = looker.look(running) if running.position < running.end else running
        if after.position >= after.end:
            after = looker.conclude(after, now=now)
        kept = self._keep(org_id, running, after)
        if kept and after.finished_at is not None:
            self._looking = None
            if not after.found:
                trim(self._database, self._store, operator_scope(org_id), looker.explained, now=now)

    def _looker(self, org_id: UUID) -> Looker:
        if self._looking is None or self._looking[0] != org_id:
            self._looking = org_id, Looker(self._database, self._store, operator_scope(org_id))
        return self._looking[1]

    def _keep(self, org_id: UUID, before: Round, after: Round) -> bool:
        with self._database.write() as connection:
            last = rounds.standing(connection, org_id).last
            new = [one for one in after.problems[len(before.problems) :] if rounds.is_new(one, last)]
            if new and not after.told:
                after = msgspec.structs.replace(after, told=True)
                _tell_failed(connection, org_id, new[0], after)
            if after.finished_at is not None and last is not None and not after.found:
                after = msgspec.structs.replace(after, repaired=last.found)
            if not rounds.keep(connection, org_id, before, after):
                return False
            if after.finished_at is not None and after.asked_by is not None and not after.found:
                _tell_verified(connection, org_id, after, after.asked_by)
            known = rounds.differences_known(connection)
        for one in new:
            logger.error("integrity_failed", org_id=str(org_id), index=one.index, problem=one.words)
        if after.repaired:
            logger.info("integrity_repaired", org_id=str(org_id), differences=after.repaired)
        telemetry.integrity_differences.set(known)
        telemetry.integrity_checked_total.inc(after.checked - before.checked)
        return True


def _tell_failed(connection: Connection, org_id: UUID, problem: Problem, found: Round) -> None:
    metadata = {"index": problem.index, "problem": problem.words, "round_began": rfc3339(found.started_at)}
    tell(connection, org_id, "audit_log.integrity_failed", by=TALLYSTICK, caller=NOWHERE, on={}, now=clock.now_us(),
         metadata=metadata)  # fmt: skip


def _tell_verified(connection: Connection, org_id: UUID, found: Round, by: Principal) -> None:
    organization = organizations.of_scope(connection, operator_scope(org_id))
    metadata = {
        "entries": found.end, "events": found.checked, "expired": found.expired, "erased": found.erased,
    }  # fmt: skip
    on = resource("organization", org_id, "org", organization.name)
    tell(connection, org_id, "audit_log.integrity_verified", by=by, caller=NOWHERE, on=on, now=clock.now_us(),
         metadata=metadata)  # fmt: skip
