"""The delivery worker: attempts what is due in a queue, without letting one receiver hold up another."""

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from threading import Thread
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tallystick import clock
from tallystick.clock import SECOND_US
from tallystick.database.engine import Database, is_lock_timeout
from tallystick.destinations.delivery_queue import AttemptOutcome, Claim, DeliveryQueue, DeliveryResult, Lane
from tallystick.work.background import Background
from tallystick.work.pauses import Pauses

IDLE_SECONDS = 1.0
PAUSE_SECONDS = 60  # how long a lane rests after an error of our own, and the mail server when it is unreachable
LOCK_PAUSE_SECONDS = 10  # how long an organization rests whose rows another transaction has locked
DELETE_OLD_EVERY = 3600 * SECOND_US
RECORD_TRIES = 3  # then only the row is updated
RECORD_RETRY_SECONDS = 10  # short, so that all tries fit into the time that a claim holds
CLOSE_SECONDS = 1.0  # what is being sent at the end may take so long; then its claim expires
CLOSE_TRIES = RECORD_TRIES + 2
CLOSE_RETRY_SECONDS = 0.2
UNEXPECTED_ERROR = DeliveryResult("An unexpected error occurred.")
T = TypeVar("T")
logger = structlog.get_logger(__name__)


class MailServerRest:
    """Until when no email is sent, since the mail server was unreachable. Shared by the workers of all queues."""

    def __init__(self) -> None:
        self._period = (0, 0)

    def begin(self, now: int) -> None:
        """Rests from `now` (microseconds) on."""
        self._period = (now, now + PAUSE_SECONDS * SECOND_US)

    def is_over(self, now: int) -> bool:
        """Whether email may be sent. A clock that was set back ends the rest."""
        since, until = self._period
        return not since <= now < until


class DeliveryWorker(Background):
    """Delivers from one queue, each attempt in a thread of its own.

    Each queue has a worker: an attempt or a transaction that hangs in one of them holds up no other.
    """

    def __init__(
        self,
        database: Database,
        queue: DeliveryQueue,
        mail_rest: MailServerRest | None = None,
        own_actions_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(f"{queue.name} deliveries", idle_seconds=IDLE_SECONDS)
        self._database = database
        self.queue = queue
        self._mail_rest = mail_rest or MailServerRest()
        self._own_actions_waiting = own_actions_waiting
        self._pauses: Pauses[Hashable] = Pauses("deliveries", seconds=PAUSE_SECONDS)
        self._in_progress: dict[Hashable, tuple[Lane, Future[AttemptOutcome | None]]] = {}
        self._failed_records: Counter[Hashable] = Counter()  # by lane
        self._deleted_at = 0

    def step(self, now: int | None = None) -> bool:
        """Records the attempts that finished and begins those that are due; False when there were none."""
        now = clock.now_us() if now is None else now
        outcomes = self._finished_attempts(now)
        lanes = self._choose(outcomes, now)
        recorded: list[AttemptOutcome] = []
        claims: list[Claim] = []
        if outcomes or lanes:
            # One transaction for all of it, since a disk syncs only so often a second.
            with self._database.write() as connection:
                recorded = self._record(connection, outcomes, now)
                unrecorded = {one.claim.lane.key for one in outcomes} - {one.claim.lane.key for one in recorded}
                claims = self._claim(connection, [lane for lane in lanes if lane.key not in unrecorded], now)
            self._forget(recorded, now)
        for claim in claims:
            self._begin(claim, now)
        self._delete_old(now)
        return bool(recorded or claims)

    def release_claims(self, connection: Connection, now: int) -> None:
        """At the start of the only process there can be: releases the claims of one that died while it sent."""
        self.queue.release_claims(connection, now)

    def wait_for_attempts(self, seconds: float | None = None) -> None:
        """Blocks until no attempt is in progress, at most for `seconds` if they are given."""
        wait([future for _, future in self._in_progress.values()], seconds)

    def close(self) -> None:
        """Waits a moment for the attempts in progress and records them; what hangs is attempted again later."""
        self.wait_for_attempts(CLOSE_SECONDS)
        for tries in range(CLOSE_TRIES):
            if tries:
                time.sleep(CLOSE_RETRY_SECONDS)
            now = clock.now_us()
            try:
                self._record_finished(now)
            except Exception as error:
                self._pauses.fail("record", now, error)
            if not any(future.done() for _, future in self._in_progress.values()):
                break
        if self._in_progress:
            logger.warning("deliveries_not_recorded", queue=self.queue.name, count=len(self._in_progress))
        super().close()

    def _record_finished(self, now: int) -> None:
        """Records finished attempts without beginning any."""
        outcomes = self._finished_attempts(now, with_paused=True)
        if not outcomes:
            return
        with self._database.write() as connection:
            recorded = self._record(connection, outcomes, now)
        self._forget(recorded, now)

    def _finished_attempts(self, now: int, *, with_paused: bool = False) -> list[AttemptOutcome]:
        """The attempts that are over; each stays in progress until its outcome is committed.

        `with_paused`: also those whose recording failed a moment ago.
        """
        finished: list[AttemptOutcome] = []
        for key, (lane, future) in list(self._in_progress.items()):
            if not future.done() or (self._pauses.is_paused(("record", lane.key), now) and not with_paused):
                continue
            outcome = future.result()
            if outcome is None:
                del self._in_progress[key]
                continue
            if outcome.result.unreachable:
                self._mail_rest.begin(now)
            finished.append(outcome)
        return finished

    def _record(self, connection: Connection, outcomes: Sequence[AttemptOutcome], now: int) -> list[AttemptOutcome]:
        """Records the outcomes; returns those that could be recorded. The others stay in progress and are retried."""
        recorded: list[AttemptOutcome] = []
        for outcome in outcomes:
            lane = outcome.claim.lane
            if self._pauses.is_paused(lane.org_id, now):
                continue
            work = partial(self._record_one, connection, outcome)
            if self._isolate(connection, lane, "record", now, work, seconds=RECORD_RETRY_SECONDS):
                recorded.append(outcome)
            elif not self._pauses.is_paused(lane.org_id, now):
                self._failed_records[lane.key] += 1
        return recorded

    def _record_one(self, connection: Connection, outcome: AttemptOutcome) -> bool:
        """Records an outcome; after several failures at least in its row, so that a success is not sent again."""
        if self._failed_records[outcome.claim.lane.key] < RECORD_TRIES:
            self.queue.record(connection, outcome)
        else:
            self.queue.update_row(connection, outcome)
        return True

    def _claim(self, connection: Connection, lanes: Sequence[Lane], now: int) -> list[Claim]:
        claims: list[Claim] = []
        for lane in lanes:
            if self._pauses.is_paused(lane.org_id, now):
                continue
            claim = self._isolate(connection, lane, "claim", now, partial(self.queue.claim, connection, lane, now))
            claims += [claim] if claim else []
        return claims

    def _forget(self, recorded: Sequence[AttemptOutcome], now: int) -> None:
        for outcome in recorded:
            lane = outcome.claim.lane
            del self._in_progress[lane.key]
            self._failed_records.pop(lane.key, None)
            self._pauses.attempt(("claim", lane.key), now, partial(self.queue.after_commit, outcome))
        if recorded:
            self._own_actions_waiting()

    def _delete_old(self, now: int) -> None:
        """Deletes old rows about once an hour, in transactions of its own: their errors hold up no delivery."""
        if 0 <= now - self._deleted_at < DELETE_OLD_EVERY:
            return

        def delete() -> bool:
            with self._database.write() as connection:
                return self.queue.delete_old(connection, now)

        if not self._pauses.attempt("old rows", now, delete):
            self._deleted_at = now

    def _choose(self, outcomes: Sequence[AttemptOutcome], now: int) -> list[Lane]:
        """The lanes to attempt now: of each organization in turn, and within the limits of the queue.

        The lanes of `outcomes`, which the same transaction records first, count as free.
        """
        with self._database.read() as connection:
            due = self.queue.due(connection, now)
        finished = {outcome.claim.lane.key for outcome in outcomes}
        busy = [lane for key, (lane, _) in self._in_progress.items() if key not in finished]
        chosen = choose_lanes(self.queue, busy, [lane for lane in due if self._is_ready(lane, now)])
        return chosen if chosen and self.queue.may_work(now) else []

    def _is_ready(self, lane: Lane, now: int) -> bool:
        if lane.by_email and not self._mail_rest.is_over(now):
            return False
        return not (self._pauses.is_paused(("claim", lane.key), now) or self._pauses.is_paused(lane.org_id, now))

    def _isolate(
        self,
        connection: Connection,
        lane: Lane,
        action: str,
        now: int,
        work: Callable[[], T],
        *,
        seconds: int | None = None,
    ) -> T | None:
        """Does the work within a savepoint: an error undoes nothing of the others, and the lane pauses.

        If another transaction has locked a row that it needs, its organization pauses. Any other error of the database
        itself is raised: the transaction is lost, and the next step repeats all of it.
        """
        savepoint = connection.begin_nested()
        try:
            done = work()
        except Exception as error:
            is_locked = is_lock_timeout(error)
            if connection.invalidated or (isinstance(error, OperationalError) and not is_locked):
                raise
            savepoint.rollback()
            if is_locked:
                self._pauses.fail(lane.org_id, now, error, seconds=LOCK_PAUSE_SECONDS)
            else:
                self._pauses.fail((action, lane.key), now, error, seconds=seconds)
            return None
        savepoint.commit()
        return done

    def _begin(self, claim: Claim, now: int) -> None:
        future: Future[AttemptOutcome | None] = Future()
        future.add_done_callback(lambda _: self.wake())
        # A daemon: the process may end while a receiver hangs.
        Thread(target=lambda: future.set_result(self._attempt(claim, now)), name=self.queue.name, daemon=True).start()
        # Only now: a thread that the system refuses must not block its lane for ever.
        self._in_progress[claim.lane.key] = (claim.lane, future)

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


def choose_lanes(queue: DeliveryQueue, busy: Sequence[Lane], due: Sequence[Lane]) -> list[Lane]:
    """Of the lanes that are due, longest waiting first, those that may be attempted beside the busy ones.

    Organizations take turns: the one with the fewest attempts comes next.
    """
    active = list(busy)
    busy_keys = {lane.key for lane in busy}
    of_organization: Counter[UUID] = Counter(lane.org_id for lane in busy)
    waiting: dict[UUID, deque[Lane]] = {}
    for lane in due:
        if lane.key not in busy_keys:
            waiting.setdefault(lane.org_id, deque()).append(lane)
    while waiting and len(active) < queue.max_at_once:
        org_id = min(waiting, key=lambda one: of_organization[one])
        if of_organization[org_id] >= queue.max_of_organization:
            break
        lane = waiting[org_id].popleft()
        if not waiting[org_id]:
            del waiting[org_id]
        of_channel = sum(one.by_email == lane.by_email for one in active)
        failing = sum(one.has_failed for one in active)
        if of_channel < queue.max_of_channel and not (lane.has_failed and failing >= queue.max_failing):
            active.append(lane)
            of_organization[org_id] += 1
    return active[len(busy) :]
