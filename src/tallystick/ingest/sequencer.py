"""The sequencer: one thread that commits what waits in the pool, tick by tick."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tallystick import clock, telemetry
from tallystick.database.damage import DISK_FULL, is_full_disk
from tallystick.database.engine import Database
from tallystick.database.postgresql import is_cut_off
from tallystick.errors import TallystickError, Unavailable
from tallystick.events.geoip import FindAddress
from tallystick.ingest.commit import Committed, commit, forget_old_keys
from tallystick.ingest.late_events import ReadCutoffs, plan_cutoffs
from tallystick.ingest.pool import EVENTS_PER_TICK, Pool
from tallystick.ingest.submission import RecordingAnswer, Submission
from tallystick.journal.recent import Recent
from tallystick.ledger import log as ledger_log
from tallystick.outbox import write as outbox

IDLE_SECONDS = 1.0  # how soon actions that another process put into the outbox are seen
SWEEP_SECONDS = 60
# How long a commit of many requests may take: whoever sends meanwhile waits for its end and then for the next one.
TICK_SECONDS = 0.05
LEAST_EVENTS_PER_TICK = 500
logger = structlog.get_logger(__name__)

Outcome = RecordingAnswer | TallystickError
Listener = Callable[[UUID, int], None]


@dataclass(frozen=True, slots=True)
class _Work:
    org_id: UUID
    submissions: Sequence[Submission]


class Sequencer:
    """Commits what the pool holds.

    After each commit `listeners` are called with the organization and the new end of its log; `recent` holds the batch
    then. `idle_seconds` is how often it looks at the outbox by itself.
    """

    def __init__(
        self,
        database: Database,
        pool: Pool,
        *,
        redacted_keys: frozenset[str],
        find_address: FindAddress | None = None,
        read_cutoffs: ReadCutoffs = plan_cutoffs,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._database = database
        self._pool = pool
        self._redacted_keys = redacted_keys
        self._find_address = find_address
        self.read_cutoffs = read_cutoffs
        self._idle_seconds = idle_seconds
        self.listeners: list[Listener] = []
        self.recent = Recent()
        self._stopping = False
        self._swept_at = 0
        self._looked_at = time.monotonic()
        self._events_per_tick = EVENTS_PER_TICK
        self.failures = 0  # ticks in a row
        self._has_failed = False  # in the tick under way
        self._is_cut_off = False  # from the control database, in the tick under way
        self.step_began_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def __str__(self) -> str:
        return self._thread.name

    def has_role(self) -> None:
        """None: every process has a sequencer of its own."""

    def request_stop(self) -> None:
        """Take no more events, commit what waits, and let the thread end."""
        self._stopping = True
        self._pool.close()

    def stop(self) -> None:
        """Commit what waits, then end the thread."""
        self.request_stop()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            submissions, poked = self._pool.take(self._idle_seconds, self._events_per_tick)
            now = time.monotonic()
            look = poked or now - self._looked_at >= self._idle_seconds
            if look:
                self._looked_at = now
            self.step_began_at, self._has_failed = now, False
            try:
                self.tick(submissions, look_at_outbox=look)
            except Exception:
                # The loop must outlive whatever happens: a dead sequencer would refuse everything for ever.
                logger.exception("tick_failed")
                self._has_failed = True
                # Those that have no answer yet were not committed, and would wait for one for ever.
                self._settle([(submission, _database_down()) for submission in submissions])
            self.step_began_at = None
            self.failures = self.failures + 1 if self._has_failed else 0
            events = sum(len(one.prepared) for one in submissions)
            self._events_per_tick = events_of_next_tick(self._events_per_tick, events, time.monotonic() - now)
            if self._stopping and not submissions:
                return

    def tick(self, submissions: Sequence[Submission], *, look_at_outbox: bool = True) -> None:
        """Commit these submissions and the own events in the outbox."""
        try:
            works = self._works(submissions, look_at_outbox)
        except SQLAlchemyError as error:
            logger.error("database_failed", error=str(error))
            self._has_failed = True
            self._settle([(submission, _database_down(error)) for submission in submissions])
            return
        # SQLite has one writer and one disk flush for all; PostgreSQL orders by the row lock of each log.
        together = [works] if self._database.is_sqlite else [[work] for work in works]
        self._is_cut_off = False
        for some in together:
            if self._is_cut_off:  # each of them would wait as long as the first did
                self._settle([(submission, _database_down()) for work in some for submission in work.submissions])
            elif some and not self._commit(some) and len(some) > 1:
                for work in some:
                    self._commit([work], last_try=True)

    def _works(self, submissions: Sequence[Submission], look_at_outbox: bool) -> list[_Work]:
        by_organization: dict[UUID, list[Submission]] = {}
        for submission in submissions:
            by_organization.setdefault(submission.org_id, []).append(submission)
        if look_at_outbox:
            with self._database.read() as connection:
                for org_id in outbox.organizations_waiting(connection):
                    by_organization.setdefault(org_id, [])
            self._sweep()
        # In the order in which the shipper locks them too: neither waits for the other in a circle.
        return [_Work(org_id, by_organization[org_id]) for org_id in sorted(by_organization)]

    def _commit(self, works: Sequence[_Work], *, last_try: bool = False) -> bool:
        """One transaction for these organizations; False if it failed and each is to be tried alone."""
        done: list[tuple[_Work, Committed | TallystickError]] = []
        try:
            with self._database.write() as connection:
                now = clock.now_us()
                done = [(work, self._commit_one(connection, work, now)) for work in works]
        except Exception as error:
            if len(works) > 1 and not last_try:
                return False
            self._is_cut_off = is_cut_off(error)
            self._refuse(works, error)
            return True
        outcomes: list[tuple[Submission, Outcome]] = []
        for work, result in done:
            if isinstance(result, TallystickError):
                outcomes += [(sub, result) for sub in work.submissions]
                continue
            outcomes += list(zip(work.submissions, result.answers, strict=True))
            telemetry.events_recorded_total.inc(len(result.batch.records))
            telemetry.events_dropped_total.inc(result.dropped)
        self._settle(outcomes)
        for work, result in done:
            if isinstance(result, Committed) and result.batch.records:
                self.recent.put(result.batch, result.size)
                for listener in self.listeners:
                    listener(work.org_id, result.batch.end)
        return True

    def _commit_one(self, connection: Connection, work: _Work, now: int) -> Committed | TallystickError:
        try:
            log = ledger_log.lock(connection, work.org_id)
        except TallystickError as error:
            return error  # nothing was changed yet: the other organizations of this transaction go on
        return commit(
            connection,
            log,
            work.submissions,
            now=now,
            redacted_keys=self._redacted_keys,
            find_address=self._find_address,
            read_cutoffs=self.read_cutoffs,
        )

    def _refuse(self, works: Sequence[_Work], error: Exception) -> None:
        """Answer submissions that were not committed, and freeze a log that contradicts itself."""
        self._has_failed = True
        logger.error("commit_failed", error=repr(error), exc_info=not isinstance(error, SQLAlchemyError))
        answer: TallystickError = _database_down(error)
        if isinstance(error, ledger_log.LedgerDamaged):
            answer = error
            with self._database.write() as connection:
                for work in works:
                    ledger_log.freeze(connection, work.org_id, error.detail)
            telemetry.log_frozen.inc()
        telemetry.ingest_refused_total.labels(answer.code).inc()
        self._settle([(submission, answer) for work in works for submission in work.submissions])

    def _sweep(self) -> None:
        now = clock.now_us()
        if now - self._swept_at < SWEEP_SECONDS * clock.SECOND_US:
            return
        with self._database.write() as connection:
            if not forget_old_keys(connection, now):
                self._swept_at = now

    def _settle(self, outcomes: Sequence[tuple[Submission, Outcome]]) -> None:
        """Resolve the waiting requests, with one call per event loop."""
        by_loop: dict[int, list[tuple[Submission, Outcome]]] = {}
        for submission, outcome in outcomes:
            by_loop.setdefault(id(submission.loop), []).append((submission, outcome))
        for mine in by_loop.values():
            # A loop that is closed has nobody waiting any more.
            with suppress(RuntimeError):
                mine[0][0].loop.call_soon_threadsafe(_resolve, mine)


def events_of_next_tick(most: int, events: int, seconds: float) -> int:
    """How many events the next commit may hold, after one of `events` events, bounded by `most`, took `seconds`."""
    within = int(events * TICK_SECONDS / max(seconds, 0.001))
    # A small commit is hardly more than its disk flush: it can say that more would fit, and never that less would.
    if events < LEAST_EVENTS_PER_TICK and within <= most:
        return most
    return min(max((most + within) // 2, LEAST_EVENTS_PER_TICK), EVENTS_PER_TICK)


def _resolve(outcomes: Sequence[tuple[Submission, Outcome]]) -> None:
    for submission, outcome in outcomes:
        if submission.future.done():
            continue  # the client went away
        if isinstance(outcome, TallystickError):
            submission.future.set_exception(outcome)
        else:
            submission.future.set_result(outcome)


def _database_down(error: Exception | None = None) -> Unavailable:
    if error is not None and is_full_disk(error):
        return Unavailable(DISK_FULL, code="disk_full", retry_after=30)
    return Unavailable(
        "Writing to the control database failed, and nothing was recorded. Try again.", code="database_down"
    )
