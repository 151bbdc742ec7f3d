"""The background worker that evaluates new events: a batch of each organization, then one transaction."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Connection, insert, select, update

from tallystick import clock
from tallystick.access import organizations
from tallystick.alerts import rule_import, rule_state, slow_organizations
from tallystick.alerts.detector_cache import DetectorCache, Detectors
from tallystick.alerts.evaluation import MOST_EVENTS, MOST_HITS, BatchResult, Position, SlowTurn, Turn, evaluate_batch
from tallystick.alerts.event_reader import EventReader
from tallystick.alerts.rule_compiler import RuleCompiler
from tallystick.alerts.silence_checks import SilenceChecks
from tallystick.alerts.slow_organizations import SlowOrganizations, evaluation_lease
from tallystick.alerts.tables import alert_positions
from tallystick.alerts.write_results import write_results
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.journal.recent import Recent
from tallystick.ledger.tables import logs
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.pauses import Pauses
from tallystick.work.stop_signal import TimeSlice

IDLE_SECONDS = 1.0  # commits of other processes do not wake this one
GATHER_SECONDS = 0.2
PAUSE_SECONDS = 5
FIRST_EVENTS = 128  # of an organization's first turn
LEAST_EVENTS = 16
WRITE_SECONDS = 0.05  # of a transaction: recording waits for it
FEW_HITS = 20  # are written in no time
TURN_SECONDS = 0.25  # of one organization in a step
STEP_SECONDS = 0.5
REST_SHARE = 0.25  # of the time of a step, while more events wait: recording needs the interpreter too
MOST_FIRINGS = 200  # in a transaction
LONGEST_KEPT_US = 400 * DAY_US
logger = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    """An organization with events to evaluate: its position, and the size of its log."""

    org_id: UUID
    at: Position
    size: int


def _groups(batches: Iterable[BatchResult]) -> Iterator[list[BatchResult]]:
    """Yields the batches that are written together: no more firings and hits than one batch may have."""
    group: list[BatchResult] = []
    firings = hits = 0
    for batch in batches:
        firings += batch.firings
        hits += batch.new_hits
        if group and (firings > MOST_FIRINGS or hits > MOST_HITS):
            yield group
            group, firings, hits = [], batch.firings, batch.new_hits
        group.append(batch)
    if group:
        yield group


class Evaluator(Background):
    """Evaluates every event once by each rule.

    `deliver` is called when deliveries may wait, `outbox_written` when an event of our own waits in the outbox.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        recent: Recent,
        public_url: str,
        deliver: Callable[[], None],
        outbox_written: Callable[[], None],
        *,
        slow: SlowOrganizations | None = None,
        is_slow: bool = False,
    ) -> None:
        """`slow`: shared with the process's other evaluator; the one that `is_slow` evaluates the slow organizations.

        An evaluator that has no other one beside it evaluates all.
        """
        super().__init__(
            "slow_alerts" if is_slow else "alerts",
            idle_seconds=IDLE_SECONDS,
            breath_seconds=GATHER_SECONDS,
            lease=evaluation_lease(database) if slow is None else slow.lease,
        )
        self._slow = slow
        self._is_slow = is_slow
        self._database = database
        self._reader = EventReader(database, store, recent)
        self._cache = DetectorCache()
        self._public_url = public_url
        self._deliver = deliver
        self._outbox_written = outbox_written
        self._compiler = RuleCompiler(database)
        self._pauses = Pauses[UUID]("alerts", seconds=PAUSE_SECONDS)
        self._silence = SilenceChecks(database, self._reader, public_url)
        self._most_events: dict[UUID, int] = {}  # of an organization's next turn, as many as the last one could take
        self._last_step: dict[UUID, int] = {}  # number of the step that last evaluated an organization
        self._steps = 0
        self._is_far_behind = False

    def breath(self, taken: float) -> float:
        return REST_SHARE * taken if self._is_far_behind else GATHER_SECONDS

    def step(self, now: int | None = None) -> bool:
        """Evaluates a batch of each organization with new events; False if there are none. `now` in microseconds."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            return False
        waiting = self._waiting(now)
        mine = [one for one in waiting if self._is_mine(one.org_id)]
        ready = [one for one in mine if not self._pauses.is_paused(one.org_id, now)]
        ready.sort(key=lambda one: self._last_step.get(one.org_id, 0))
        batches = self._evaluate_waiting(ready, now)
        alerts = self._write(batches, now) if batches else 0
        alerts += 0 if self._is_slow else self._silence.check(now, {one.org_id for one in waiting})
        if alerts:
            self._deliver()
            self._outbox_written()
        return bool(batches) or self._is_far_behind or self._silence.is_unfinished

    def _waiting(self, now: int) -> list[_Waiting]:
        """Returns the organizations with new events."""
        next_index = alert_positions.c.next_index
        query = (
            select(logs.c.org_id, logs.c.size, next_index, alert_positions.c.newest_at)
            .outerjoin(alert_positions, alert_positions.c.org_id == logs.c.org_id)
            .where((logs.c.size > next_index) | next_index.is_(None))
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        new = [row.org_id for row in rows if row.newest_at is None or row.newest_at < 0]
        if new and not self._is_slow:
            self._start(new, now)
        return [
            _Waiting(row.org_id, (row.next_index, row.newest_at), row.size) for row in rows if row.org_id not in new
        ]

    def _is_mine(self, org_id: UUID) -> bool:
        return self._slow is None or (org_id in self._slow) == self._is_slow

    def _start(self, org_ids: list[UUID], now: int) -> None:
        """Gives organizations their default rules and a position: new ones, and those from before there were rules."""
        for org_id in org_ids:
            with self._database.write() as connection:
                clause = alert_positions.c.org_id == org_id
                known = connection.execute(update(alert_positions).where(clause).values(newest_at=0)).rowcount
                if not known:
                    row = {"org_id": org_id, "next_index": 0, "newest_at": 0, "pruned_at": now}
                    connection.execute(insert(alert_positions).values(row))
                rule_import.install_default_rules(connection, org_id, new=not known, now=now)

    def _evaluate_waiting(self, waiting: list[_Waiting], now: int) -> list[BatchResult]:
        """Gives organizations a turn each, until the step has taken STEP_SECONDS; the others come first next time.

        So a backlog of one organization delays another's alerts by a turn, however large it is.
        """
        self._steps += 1
        batches: list[BatchResult] = []
        slice_ = TimeSlice(STEP_SECONDS)
        for place, one in enumerate(waiting):
            if place and slice_.is_over():
                break
            self._last_step[one.org_id] = self._steps
            batch = self._evaluate(one, now)
            if batch is not None:
                batches.append(batch)
        reached = {batch.org_id: batch.next_index for batch in batches}
        self._is_far_behind = any(reached.get(one.org_id, 0) < one.size for one in waiting)
        return batches

    def _evaluate(self, one: _Waiting, now: int) -> BatchResult | None:
        """Evaluates one organization's batch; a failure pauses this organization and holds up no other."""
        began = time.monotonic()
        batch = self._pauses.attempt(one.org_id, now, partial(self._take_turn, one))
        if self._slow is not None and self._is_slow:
            self._slow.note_turn(one.org_id, began)
        return batch

    def _take_turn(self, one: _Waiting) -> BatchResult | None:
        """Evaluates an organization's batch; None if there is no result, as when the organization turns out slow."""
        limit = None if self._slow is None or self._is_slow else TimeSlice(slow_organizations.SLOW_SECONDS)
        try:
            return self._evaluate_turn(one, limit)
        except SlowTurn:
            logger.info("alerts_slow", org_id=str(one.org_id))
            if self._slow is not None:
                self._slow.add(one.org_id)
            return None

    def _evaluate_turn(self, one: _Waiting, limit: TimeSlice | None) -> BatchResult | None:
        turn = TimeSlice(TURN_SECONDS)
        rules, have_changed = self._compiler.rules(one.org_id, turn)
        if have_changed:
            # An erasure changes the version of every rule. Recent events in memory may still name the person.
            self._reader.recent.forget(one.org_id)
        if rules is None:
            return None
        most = self._most_events.get(one.org_id, FIRST_EVENTS)
        cached: tuple[Detectors, int] | None = self._cache.take(one.org_id, one.at[0])
        while True:
            batch = evaluate_batch(self._reader, rules, one.org_id, one.at, cached, Turn(most, turn, limit))
            events = min(most, batch.next_index - batch.first)
            if batch.firings <= MOST_FIRINGS or events <= 1:
                break
            # Evaluated again, fewer events. The detectors have processed the hits and are of no use.
            most, cached = max(1, events * MOST_FIRINGS // batch.firings // 2), None
        # What is read and not evaluated is read again: no more than the next turn is likely to take.
        self._most_events[one.org_id] = min(MOST_EVENTS, max(LEAST_EVENTS, 2 * events))
        return batch

    def _write(self, batches: list[BatchResult], now: int) -> int:
        """Writes the batches in few transactions, since each costs a disk sync."""
        return sum(self._write_group(group, now) for group in _groups(batches))

    def _write_group(self, batches: list[BatchResult], now: int) -> int:
        """Writes the batches in one transaction; one by one if that fails."""
        try:
            return self._write_batches(batches, now)
        except Exception as error:
            if len(batches) > 1:
                logger.info("outcomes_written_one_by_one", error=repr(error)[:500])
            return sum(
                self._pauses.attempt(batch.org_id, now, partial(self._write_batches, [batch], now)) or 0
                for batch in batches
            )

    def _write_batches(self, batches: list[BatchResult], now: int) -> int:
        began = 0.0
        try:
            with self._database.write() as connection:
                # Recording waits for this transaction from here on. How long it waited for its turn is no reason to
                # evaluate less: while events come in numbers, that would leave the evaluation ever further behind.
                began = time.monotonic()
                alerts = write_results(connection, batches, self._public_url, now=now)
                self._prune(connection, list(alerts), now)
        finally:
            if began:
                self._bound_next(batches, time.monotonic() - began)
        # Cached only after the commit. A batch that was skipped or rolled back leaves no detector behind: these have
        # processed its hits, and the next evaluation of the same events starts from the database.
        for batch in batches:
            if batch.org_id in alerts:
                self._cache.keep(batch.org_id, batch.next_index, batch.detectors, batch.hits)
        return sum(alerts.values())

    def _bound_next(self, batches: list[BatchResult], seconds: float) -> None:
        """Makes the next batches of these organizations smaller if their transaction took long.

        A transaction with few hits takes long because the machine is busy: fewer events would be no quicker.
        """
        for batch in batches if seconds > WRITE_SECONDS else ():
            events = batch.next_index - batch.first
            most = max(int(events * WRITE_SECONDS / seconds), events * FEW_HITS // max(1, batch.new_hits), 1)
            self._most_events[batch.org_id] = min(self._most_events[batch.org_id], most)

    def _prune(self, connection: Connection, org_ids: list[UUID], now: int) -> None:
        """Deletes, once a day, hits older than the events that are kept: no late event can share a window with them.

        A part of them in each step.
        """
        due = alert_positions.c.org_id.in_(org_ids) & (alert_positions.c.pruned_at < now - DAY_US)
        for org_id in connection.execute(select(alert_positions.c.org_id).where(due)).scalars().all():
            kept = min(organizations.effective_retention_days(connection, org_id, now) * DAY_US, LONGEST_KEPT_US)
            if not rule_state.delete_old_hits(connection, org_id, now - kept):
                mine = alert_positions.c.org_id == org_id
                connection.execute(update(alert_positions).where(mine).values(pruned_at=now))


def evaluators_of(database: Database, *services: Any) -> tuple[Evaluator, Evaluator]:
    """The evaluator of most organizations, which commits wake, and the one of those whose rules take long."""
    slow = SlowOrganizations(database)
    return Evaluator(database, *services, slow=slow), Evaluator(database, *services, slow=slow, is_slow=True)
