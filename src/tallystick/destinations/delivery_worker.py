"""The delivery worker: attempts what is due in every queue, without letting one receiver hold up another."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tallystick import clock
from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.destinations.delivery_queue import AttemptOutcome, Claim, DeliveryQueue, DeliveryResult, Lane
from tallystick.work.background import Background
from tallystick.work.pauses import Pauses

IDLE_SECONDS = 1.0
PAUSE_SECONDS = 60  # how long a lane rests after an error of our own, and the mail server when it is unreachable
DELETE_OLD_EVERY = 3600 * SECOND_US
RECORD_TRIES = 3  # then only the row is updated
RECORD_RETRY_SECONDS = 10  # short, so that all tries fit into the time that a claim holds
CLOSE_TRIES = RECORD_TRIES + 2
CLOSE_RETRY_SECONDS = 0.2
MAIL_SERVER = "mail server"
UNEXPECTED_ERROR = DeliveryResult("An unexpected error occurred.")
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
            except Exception as error:  # the other queues go on; Background logs the last one
                if failure is not None:
                    self.log_failure(failure)
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
        recorded = [run.record_all(clock.now_us()) for run in self._runs]
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
        self._failed_records: Counter[Hashable] = Counter()  # by lane
        self._deleted_at = 0

    def step(self, now: int) -> tuple[list[AttemptOutcome], list[Claim]]:
        """Records finished attempts and begins those that are due; returns what was recorded and begun."""
        outcomes = self._finished_attempts(now)
        lanes = self._choose(outcomes, now)
        recorded: list[AttemptOutcome] = []
        claims: list[Claim] = []
        if outcomes or lanes:
            # One transaction for all of it, since a disk syncs only so often a second.
            with self._database.write() as connection:
                recorded = self._record(connection, outcomes, now)
                unrecorded = {one.claim.lane.key for one in outcomes} - {one.claim.lane.key for one in recorded}
                for lane in lanes:
                    if lane.key in unrecorded:
                        continue
                    work = partial(self.queue.claim, connection, lane, now)
                    claim = self._isolate(connection, self._item(lane), now, work)
                    claims += [claim] if claim else []
            self._forget(recorded, now)
        for claim in claims:
            self._begin(claim, now)
        self._delete_old(now)
        return recorded, claims

    def record_all(self, now: int) -> bool:
        """Records the finished attempts before the process ends, trying several times; whether any was recorded.

        Errors are logged. An attempt that cannot be recorded is repeated after the next start.
        """
        count = 0
        for tries in range(CLOSE_TRIES):
            if tries:
                time.sleep(CLOSE_RETRY_SECONDS)
            try:
                count += self._record_finished(now)
            except Exception as error:
                self._pauses.fail((self.queue.name, "record"), now, error)
            if not self._in_progress:
                break
        else:
            logger.error("deliveries_not_recorded", queue=self.queue.name, count=len(self._in_progress))
        return count > 0

    def _record_finished(self, now: int) -> int:
        """Records finished attempts without beginning any; how many were recorded."""
        outcomes = self._finished_attempts(now, with_paused=True)
        if not outcomes:
            return 0
        with self._database.write() as connection:
            recorded = self._record(connection, outcomes, now)
        self._forget(recorded, now)
        return len(recorded)

    def wait(self) -> None:
        wait([future for _, future in self._in_progress.values()])

    def close(self) -> None:
        self._threads.shutdown(wait=True)

    def _finished_attempts(self, now: int, *, with_paused: bool = False) -> list[AttemptOutcome]:
        """The attempts that are over; each stays in progress until its outcome is committed.

        `with_paused`: also those whose recording failed a moment ago.
        """
        finished: list[AttemptOutcome] = []
        for key, (lane, future) in list(self._in_progress.items()):
            if not future.done() or (self._pauses.is_paused(self._record_item(lane), now) and not with_paused):
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
        """Records the outcomes; returns those that could be recorded. The others stay in progress and are retried."""
        recorded: list[AttemptOutcome] = []
        for outcome in outcomes:
            lane = outcome.claim.lane
            work = partial(self._record_one, connection, outcome)
            if self._isolate(connection, self._record_item(lane), now, work, seconds=RECORD_RETRY_SECONDS):
                recorded.append(outcome)
            else:
                self._failed_records[lane.key] += 1
        return recorded

    def _record_one(self, connection: Connection, outcome: AttemptOutcome) -> bool:
        """Records an outcome; after several failures at least in its row, so that a success is not sent again."""
        if self._failed_records[outcome.claim.lane.key] < RECORD_TRIES:
            self.queue.record(connection, outcome)
        else:
            self.queue.update_row(connection, outcome)
        return True

    def _forget(self, recorded: Sequence[AttemptOutcome], now: int) -> None:
        for outcome in recorded:
            lane = outcome.claim.lane
            del self._in_progress[lane.key]
            self._failed_records.pop(lane.key, None)
            self._pauses.attempt(self._item(lane), now, partial(self.queue.after_commit, outcome))

    def _delete_old(self, now: int) -> None:
        """Deletes old rows about once an hour, in a transaction of its own: its errors hold up no delivery."""
        if 0 <= now - self._deleted_at < DELETE_OLD_EVERY:
            return
        self._deleted_at = now

        def delete() -> None:
            with self._database.write() as connection:
                self.queue.delete_old(connection, now)

        self._pauses.attempt((self.queue.name, "old rows"), now, delete)

    def _choose(self, outcomes: Sequence[AttemptOutcome], now: int) -> list[Lane]:
        """The lanes to attempt now, within the limits for one organization and for failing receivers.

        The lanes of `outcomes`, which the same transaction records first, count as free.
        """
        with self._database.read() as connection:
            due = self.queue.due(connection, now)
        email_rests = self._pauses.is_paused(MAIL_SERVER, now)
        finished = {outcome.claim.lane.key for outcome in outcomes}
        busy = {key: lane for key, (lane, _) in self._in_progress.items() if key not in finished}
        of_organization = Counter(lane.org_id for lane in busy.values())
        failing = sum(lane.has_failed for lane in busy.values())
        chosen: list[Lane] = []
        for lane in due:
            if len(busy) + len(chosen) >= self.queue.max_at_once:
                break
            if (
                lane.key in busy
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

    def _isolate(
        self, connection: Connection, item: Hashable, now: int, work: Callable[[], T], *, seconds: int | None = None
    ) -> T | None:
        """Does the work within a savepoint: an error undoes nothing of the others, and the item pauses.

        An error of the database itself is raised: the transaction is lost, and the next step repeats all of it.
        """
        savepoint = connection.begin_nested()
        try:
            done = work()
        except Exception as error:
            if isinstance(error, OperationalError) or connection.invalidated:
                raise
            savepoint.rollback()
            self._pauses.fail(item, now, error, seconds=seconds)
            return None
        savepoint.commit()
        return done

    def _item(self, lane: Lane) -> Hashable:
        return (self.queue.name, lane.key)

    def _record_item(self, lane: Lane) -> Hashable:
        return (self.queue.name, lane.key, "record")

    def _begin(self, claim: Claim, now: int) -> None:
        future = self._threads.submit(self._attempt, claim, now)
        self._in_progress[claim.lane.key] = (claim.lane, future)
        future.add_done_callback(lambda _: self._wake())

    def _attempt(self, claim: Claim, now: int) -> AttemptOutcome | None:
        """One attempt; None when the delivery no longer exists. An unexpected error counts as a failed attempt."""
        began = time.monotonic()
        result: DeliveryResult | None
        try:
            result = self.queue.send(claim, now)
        except BaseException:  # what leaves this function would end the thread of the worker
            logger.exception("delivery_failed", queue=self.queue.name, **self.queue.row_ids(claim.row))
            result = UNEXPECTED_ERROR
        milliseconds = round((time.monotonic() - began) * 1000)
        return None if result is None else AttemptOutcome(claim, result, now, milliseconds)
