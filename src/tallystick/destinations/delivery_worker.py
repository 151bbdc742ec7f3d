"""The delivery worker: attempts what is due in every queue, without letting one receiver hold up another."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from tallystick import clock
from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.destinations.delivery_queue import AttemptOutcome, Claim, DeliveryQueue, Lane
from tallystick.work.background import Background
from tallystick.work.pauses import Pauses

IDLE_SECONDS = 1.0
PAUSE_SECONDS = 60  # how long a lane rests after an error of our own, and the mail server when it is unreachable
DELETE_OLD_EVERY = 3600 * SECOND_US
MAIL_SERVER = "mail server"
T = TypeVar("T")
logger = structlog.get_logger(__name__)


class DeliveryWorker(Background):
    """Delivers from several queues: each has threads of its own, all share claims, back-off and this loop."""

    def __init__(
        self,
        database: Database,
        queues: Sequence[DeliveryQueue],
        own_actions_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__("deliveries", idle_seconds=IDLE_SECONDS)
        self._pauses: Pauses[Hashable] = Pauses("deliveries", seconds=PAUSE_SECONDS)
        self._own_actions_waiting = own_actions_waiting
        self._runs = [_QueueRun(database, queue, self._pauses, self.wake) for queue in queues]

    def step(self, now: int | None = None) -> bool:
        """Records the attempts that finished and begins those that are due; False when there were none."""
        now = clock.now_us() if now is None else now
        worked, recorded = False, False
        failure: Exception | None = None
        for run in self._runs:
            try:
                outcomes, claims = run.step(now)
            except Exception as error:  # the other queues go on; Background logs it
                failure = error
            else:
                worked = worked or bool(outcomes or claims)
                recorded = recorded or bool(outcomes)
        if recorded:
            self._own_actions_waiting()
        if failure is not None:
            raise failure
        return worked

    def release_claims(self, connection: Connection, now: int) -> None:
        """At the start of the only process there can be: releases the claims of one that died while it sent."""
        for run in self._runs:
            run.queue.release_claims(connection, now)

    def wait_for_attempts(self) -> None:
        """Blocks until no attempt is in progress."""
        for run in self._runs:
            run.wait()

    def close(self) -> None:
        """Waits for the attempts in progress and records them; what is due is attempted after the next start."""
        for run in self._runs:
            run.close()
        recorded = [run.record_finished(clock.now_us()) for run in self._runs]
        if any(recorded):
            self._own_actions_waiting()


class _QueueRun:
    """The attempts in progress of one queue."""

    def __init__(
        self, database: Database, queue: DeliveryQueue, pauses: Pauses[Hashable], wake: Callable[[], None]
    ) -> None:
        self._database = database
        self.queue = queue
        self._pauses = pauses
        self._wake = wake
        self._threads = ThreadPoolExecutor(queue.max_at_once, thread_name_prefix=queue.name)
        self._in_progress: dict[Hashable, tuple[Lane, Future[AttemptOutcome | None]]] = {}
        self._deleted_at = 0

    def step(self, now: int) -> tuple[list[AttemptOutcome], list[Claim]]:
        """Records finished attempts and begins those that are due."""
        outcomes = self._finished_attempts(now)
        lanes = self._choose(now)
        deletes = not 0 <= now - self._deleted_at < DELETE_OLD_EVERY
        claims: list[Claim] = []
        if outcomes or lanes or deletes:
            # One transaction for all of it, since a disk syncs only so often a second.
            with self._database.write() as connection:
                recorded = self._record(connection, outcomes, now)
                if deletes:
                    self.queue.delete_old(connection, now)
                for lane in lanes:
                    work = partial(self.queue.claim, connection, lane, now)
                    claim = self._isolate(connection, lane, now, work)
                    claims += [claim] if claim else []
            if deletes:
                self._deleted_at = now
            self._forget(outcomes, recorded, now)
        for claim in claims:
            self._begin(claim, now)
        return outcomes, claims

    def record_finished(self, now: int) -> bool:
        """Records finished attempts without beginning any; whether there were some."""
        outcomes = self._finished_attempts(now)
        if outcomes:
            with self._database.write() as connection:
                recorded = self._record(connection, outcomes, now)
            self._forget(outcomes, recorded, now)
        return bool(outcomes)

    def wait(self) -> None:
        wait([future for _, future in self._in_progress.values()])

    def close(self) -> None:
        self._threads.shutdown(wait=True)

    def _finished_attempts(self, now: int) -> list[AttemptOutcome]:
        """The attempts that are over; each stays in progress until its outcome is committed."""
        finished: list[AttemptOutcome] = []
        for key, (_, future) in list(self._in_progress.items()):
            if not future.done():
                continue
            outcome = future.result()
            if outcome is None:
                del self._in_progress[key]
                continue
            if outcome.result.unreachable:
                self._pauses.pause(MAIL_SERVER, now)
            finished.append(outcome)
        return finished

    def _record(self, connection: Connection, outcomes: Sequence[AttemptOutcome], now: int) -> list[AttemptOutcome]:
        """Records the outcomes; those that could be recorded. The claim of another one expires by itself."""

        def record(outcome: AttemptOutcome) -> bool:
            self.queue.record(connection, outcome)
            return True

        return [one for one in outcomes if self._isolate(connection, one.claim.lane, now, partial(record, one))]

    def _forget(self, outcomes: Sequence[AttemptOutcome], recorded: Sequence[AttemptOutcome], now: int) -> None:
        for outcome in outcomes:
            del self._in_progress[outcome.claim.lane.key]
        for outcome in recorded:
            self._pauses.attempt(self._item(outcome.claim.lane), now, partial(self.queue.after_commit, outcome))

    def _choose(self, now: int) -> list[Lane]:
        """The lanes to attempt now, within the limits for one organization and for failing receivers."""
        with self._database.read() as connection:
            due = self.queue.due(connection, now)
        email_rests = self._pauses.is_paused(MAIL_SERVER, now)
        busy = [lane for lane, _ in self._in_progress.values()]
        of_organization = Counter(lane.org_id for lane in busy)
        failing = sum(lane.has_failed for lane in busy)
        chosen: list[Lane] = []
        for lane in due:
            if len(busy) + len(chosen) >= self.queue.max_at_once:
                break
            if (
                lane.key in self._in_progress
                or (lane.by_email and email_rests)
                or of_organization[lane.org_id] >= self.queue.max_of_organization
                or (lane.has_failed and failing >= self.queue.max_failing)
                or self._pauses.is_paused(self._item(lane), now)
            ):
                continue
            of_organization[lane.org_id] += 1
            failing += lane.has_failed
            chosen.append(lane)
        return chosen if chosen and self.queue.may_work(now) else []

    def _isolate(self, connection: Connection, lane: Lane, now: int, work: Callable[[], T]) -> T | None:
        """Does the work within a savepoint: an error in one lane undoes nothing of the others, and the lane pauses."""

        def within_savepoint() -> T:
            with connection.begin_nested():
                return work()

        return self._pauses.attempt(self._item(lane), now, within_savepoint)

    def _item(self, lane: Lane) -> Hashable:
        return (self.queue.name, lane.key)

    def _begin(self, claim: Claim, now: int) -> None:
        future = self._threads.submit(self._attempt, claim, now)
        self._in_progress[claim.lane.key] = (claim.lane, future)
        future.add_done_callback(lambda _: self._wake())

    def _attempt(self, claim: Claim, now: int) -> AttemptOutcome | None:
        """One attempt. After an unexpected error nothing is recorded, and the claim expires by itself."""
        began = time.monotonic()
        try:
            result = self.queue.send(claim, now)
        except Exception:
            logger.exception("delivery_failed", queue=self.queue.name)
            return None
        milliseconds = round((time.monotonic() - began) * 1000)
        return None if result is None else AttemptOutcome(claim, result, now, milliseconds)
