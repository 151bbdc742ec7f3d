"""The background thread that checks one log after the other, slice by slice."""

from collections.abc import Callable
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Connection

from tallystick import clock, telemetry
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, record_own, resource
from tallystick.access.scopes import operator_scope
from tallystick.clock import rfc3339
from tallystick.database.engine import Database
from tallystick.integrity import rounds
from tallystick.integrity.check_slice import MISSING, STILL_STORED, LogChecker
from tallystick.integrity.late_events import remove_late
from tallystick.integrity.missing_events import mark_missing
from tallystick.integrity.prune_tree import prune_tree
from tallystick.integrity.rounds import Problem, Round
from tallystick.query.scope import TALLYSTICK, Principal
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "integrity"
LEASE_SECONDS = 300
IDLE_SECONDS = 5.0
# The pause after a slice, as a multiple of the time it took: short for a round that a person requested, and long while
# events are being recorded.
SLOW_FACTOR, FAST_FACTOR, RECORDING_FACTOR = 4.0, 0.5, 19.0
MIN_PAUSE_SECONDS = 0.02
FAILED_PAUSE_SECONDS = 300
logger = structlog.get_logger(__name__)


class Checker(Background):
    """Checks all logs. After a crash the check continues behind the last slice that was saved."""

    def __init__(self, database: Database, store: EventStore, is_recording: Callable[[], bool] = lambda: False) -> None:
        """`is_recording`: whether events wait to be recorded; the check then takes longer pauses."""
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("integrity_check", idle_seconds=IDLE_SECONDS, lease=lease)
        self._database = database
        self._store = store
        self._current: tuple[UUID, LogChecker] | None = None
        self._is_requested = False
        self._is_recording = is_recording
        self._pauses = Pauses[UUID]("integrity_check", seconds=FAILED_PAUSE_SECONDS)  # by organization

    def breath(self, taken: float) -> float:
        slow = RECORDING_FACTOR if self._is_recording() else SLOW_FACTOR
        return MIN_PAUSE_SECONDS + taken * (FAST_FACTOR if self._is_requested else slow)

    def step(self, now: int | None = None) -> bool:
        """Check one slice; False when there is nothing to do at `now` (µs since 1970, by default the current time)."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            self._current = None
            return False
        with self._database.write() as connection:
            due = rounds.next_due(connection, now=now, excluding=self._pauses.paused(now))
            if due is None:
                self._current = None
                return False
            org_id, running = due
            if running is None:
                running = rounds.begin_round(connection, org_id, now=now)
                self._current = None
        try:
            self._check_slice(org_id, running, now)
        except Exception:
            # A failing log is retried later, so that it does not hold up the others.
            self._pauses.pause(org_id, now)
            self._current = None
            raise
        return True

    def _check_slice(self, org_id: UUID, running: Round, now: int) -> None:
        self._is_requested = running.asked_by is not None
        checker = self._log_checker(org_id)
        after = checker.check_next(running) if running.position < running.end else running
        if after.position >= after.end:
            after = checker.finish(after, now=now)
        kept = self._save(org_id, running, after)
        if kept and after.finished_at is not None:
            self._current = None
            if not after.found:
                prune_tree(self._database, self._store, operator_scope(org_id), checker.deletions, now=now)

    def _log_checker(self, org_id: UUID) -> LogChecker:
        if self._current is None or self._current[0] != org_id:
            self._current = org_id, LogChecker(self._database, self._store, operator_scope(org_id))
        return self._current[1]

    def _save(self, org_id: UUID, before: Round, after: Round) -> bool:
        with self._database.write() as connection:
            last = rounds.round_state(connection, org_id).last
            new = [one for one in after.problems[len(before.problems) :] if rounds.is_new(one, last)]
            if new and not after.is_reported:
                after = msgspec.structs.replace(after, is_reported=True)
                _record_failure(connection, org_id, new[0], after)
            if after.finished_at is not None and last is not None and not after.found:
                after = msgspec.structs.replace(after, repaired=last.found)
            if not rounds.save_round(connection, org_id, before, after):
                return False
            if after.finished_at is not None and after.asked_by is not None and not after.found:
                _record_success(connection, org_id, after, after.asked_by)
            known = rounds.count_differences(connection)
        for one in new:
            logger.error("integrity_failed", org_id=str(org_id), index=one.index, problem=one.words)
        if after.repaired:
            logger.info("integrity_repaired", org_id=str(org_id), differences=after.repaired)
        if late := [one.index for one in new if one.words.endswith(STILL_STORED)]:
            remove_late(self._database, self._store, org_id, min(late), max(late) + 1)
        if any(one.words == MISSING for one in new):
            mark_missing(self._database, self._store, org_id, [one.index for one in new if one.words == MISSING])
        telemetry.integrity_differences.set(known)
        telemetry.integrity_checked_total.inc(after.checked - before.checked)
        return True


def _record_failure(connection: Connection, org_id: UUID, problem: Problem, found: Round) -> None:
    metadata = {"index": problem.index, "problem": problem.words, "round_began": rfc3339(found.started_at)}
    record_own(
        connection,
        org_id,
        "audit_log.integrity_failed",
        by=TALLYSTICK,
        caller=NOWHERE,
        on={},
        now=clock.now_us(),
        metadata=metadata,
    )


def _record_success(connection: Connection, org_id: UUID, found: Round, by: Principal) -> None:
    organization = organizations.of_scope(connection, operator_scope(org_id))
    metadata = {
        "entries": found.end,
        "events": found.checked,
        "expired": found.expired,
        "erased": found.erased,
    }
    on = resource("organization", org_id, "org", organization.name)
    record_own(
        connection,
        org_id,
        "audit_log.integrity_verified",
        by=by,
        caller=NOWHERE,
        on=on,
        now=clock.now_us(),
        metadata=metadata,
    )
