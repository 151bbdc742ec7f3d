"""The background worker that evaluates new events: a batch of each organization, then one transaction."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, delete, insert, select, update

from tallystick import clock
from tallystick.access import organizations
from tallystick.alerts import rule_import, rule_state
from tallystick.alerts.detectors import SilenceDetector
from tallystick.alerts.evaluation import BatchResult, Position, RuleResult, RuleSet, evaluate_batch
from tallystick.alerts.evaluator_cache import DetectorCache
from tallystick.alerts.event_reader import EventReader
from tallystick.alerts.rule import Rule, rule_of
from tallystick.alerts.tables import alert_hits, alert_positions, alert_rules
from tallystick.alerts.write_results import write_results, write_silence
from tallystick.clock import DAY_US, SECOND_US
from tallystick.database.engine import Database
from tallystick.journal.recent import Recent
from tallystick.ledger.tables import logs
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

IDLE_SECONDS = 1.0  # commits of other processes do not wake this one
GATHER_SECONDS = 0.2
LEASE_SECONDS = 60
PAUSE_SECONDS = 5
MOST_EVENTS = 20_000  # of one step
BEHIND_EVENTS = 2000  # evaluated of one organization in a step: more are waiting, so do not gather
SILENCE_EVERY_US = 5 * SECOND_US
LONGEST_KEPT_US = 400 * DAY_US
RECONNECT_US = 600 * SECOND_US  # senders may need this long to reconnect after a start
logger = structlog.get_logger(__name__)


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
    ) -> None:
        lease = Lease(database, "alerts", seconds=LEASE_SECONDS)
        super().__init__("alerts", idle_seconds=IDLE_SECONDS, breath_seconds=GATHER_SECONDS, lease=lease)
        self._database = database
        self._reader = EventReader(database, store, recent)
        self._cache = DetectorCache()
        self._public_url = public_url
        self._deliver = deliver
        self._outbox_written = outbox_written
        self._rules: dict[UUID, tuple[list[Row[Any]], RuleSet]] = {}  # compiled from these rows
        self._pauses = Pauses[UUID]("alerts", seconds=PAUSE_SECONDS)
        self._next_silence_check = 0
        self._started_at: int | None = None
        self._last_step: dict[UUID, int] = {}  # number of the step that last evaluated an organization
        self._steps = 0
        self._is_far_behind = False

    def breath(self, _taken: float) -> float:
        return 0.0 if self._is_far_behind else GATHER_SECONDS

    def step(self, now: int | None = None) -> bool:
        """Evaluates a batch of each organization with new events; False if there are none. `now` in microseconds."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            return False
        self._started_at = now if self._started_at is None else self._started_at
        batches = self._evaluate_waiting(self._waiting(now), now)
        alerts = self._write(batches, now) if batches else 0
        # Only with nothing else to do: while events wait, a group may not be silent at all.
        if not batches and not 0 <= self._next_silence_check - now <= SILENCE_EVERY_US:
            self._next_silence_check = now + SILENCE_EVERY_US
            alerts += self._check_silence(now)
        if alerts:
            self._deliver()
            self._outbox_written()
        return bool(batches)

    def _waiting(self, now: int) -> list[tuple[UUID, Position]]:
        """Returns the organizations with new events and their positions, the one evaluated longest ago first."""
        next_index = alert_positions.c.next_index
        query = (
            select(logs.c.org_id, next_index, alert_positions.c.newest_at)
            .outerjoin(alert_positions, alert_positions.c.org_id == logs.c.org_id)
            .where((logs.c.size > next_index) | next_index.is_(None))
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        new = [row.org_id for row in rows if row.newest_at is None or row.newest_at < 0]
        if new:
            self._start(new, now)
        behind = [(row.org_id, (row.next_index, row.newest_at)) for row in rows if row.org_id not in new]
        ready = [(org_id, at) for org_id, at in behind if not self._pauses.is_paused(org_id, now)]
        ready.sort(key=lambda pair: self._last_step.get(pair[0], 0))
        with self._database.read() as connection:
            self._compile(connection, [org_id for org_id, _ in ready])
        return ready

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

    def _compile(self, connection: Connection, org_ids: list[UUID]) -> None:
        rows = connection.execute(
            select(alert_rules)
            .where(alert_rules.c.org_id.in_(org_ids), alert_rules.c.enabled, alert_rules.c.learnt)
            .order_by(alert_rules.c.org_id, alert_rules.c.rule_id)
        )
        rows_of: dict[UUID, list[Row[Any]]] = {org_id: [] for org_id in org_ids}
        for row in rows:
            rows_of[row.org_id].append(row)
        for org_id, current in rows_of.items():
            compiled = self._rules.get(org_id)
            if compiled is None or compiled[0] != current:
                self._rules[org_id] = current, RuleSet([rule_of(row) for row in current])
                # An erasure changes the version of every rule. Recent events in memory may still name the person.
                self._reader.recent.forget(org_id)

    def _evaluate_waiting(self, waiting: list[tuple[UUID, Position]], now: int) -> list[BatchResult]:
        """Evaluates a batch of each organization until the step has had MOST_EVENTS."""
        self._steps += 1
        batches: list[BatchResult] = []
        events = most = 0
        for org_id, at in waiting:
            if events >= MOST_EVENTS:
                break
            self._last_step[org_id] = self._steps
            batch = self._evaluate(org_id, at, now)
            if batch is not None:
                batches.append(batch)
                most = max(most, batch.next_index - batch.first)
                events += batch.next_index - batch.first
        self._is_far_behind = most >= BEHIND_EVENTS or events >= MOST_EVENTS
        return batches

    def _evaluate(self, org_id: UUID, at: Position, now: int) -> BatchResult | None:
        """Evaluates one organization's batch; a failure pauses this organization and holds up no other."""
        cached = self._cache.take(org_id, at[0])
        rules = self._rules[org_id][1]
        return self._pauses.attempt(org_id, now, lambda: evaluate_batch(self._reader, rules, org_id, at, cached))

    def _write(self, batches: list[BatchResult], now: int) -> int:
        """Writes all batches in one transaction, since each costs a disk sync; one by one if that fails."""
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
        with self._database.write() as connection:
            alerts = write_results(connection, batches, self._public_url, now=now)
            self._prune(connection, list(alerts), now)
        # Cached only after the commit. A batch that was skipped or rolled back leaves no detector behind: these have
        # processed its hits, and the next evaluation of the same events starts from the database.
        for batch in batches:
            if batch.org_id in alerts:
                self._cache.keep(batch.org_id, batch.next_index, batch.detectors, batch.hits)
        return sum(alerts.values())

    def _prune(self, connection: Connection, org_ids: list[UUID], now: int) -> None:
        """Deletes, once a day, hits older than the events that are kept: no late event can share a window with them."""
        due = alert_positions.c.org_id.in_(org_ids) & (alert_positions.c.pruned_at < now - DAY_US)
        for org_id in connection.execute(select(alert_positions.c.org_id).where(due)).scalars().all():
            connection.execute(update(alert_positions).where(alert_positions.c.org_id == org_id).values(pruned_at=now))
            kept = min(organizations.effective_retention_days(connection, org_id, now) * DAY_US, LONGEST_KEPT_US)
            connection.execute(delete(alert_hits).where(alert_hits.c.org_id == org_id, alert_hits.c.at < now - kept))

    def _check_silence(self, now: int) -> int:
        """Checks all silence rules; returns the number of new alerts."""
        with self._database.read() as connection:
            rows = connection.execute(select(alert_rules).where(alert_rules.c.enabled, alert_rules.c.learnt))
            rules = [rule for rule in map(rule_of, rows) if rule.definition.kind == "silence"]
        return sum(self._check_silence_rule(rule, now) for rule in rules if self._has_run_long_enough(rule, now))

    def _has_run_long_enough(self, rule: Rule, now: int) -> bool:
        """Whether a silence may be reported: right after a start, it may have been this server that was down."""
        return now - (self._started_at or now) >= min(rule.definition.window_us, RECONNECT_US)

    def _check_silence_rule(self, rule: Rule, now: int) -> int:
        detector = SilenceDetector(rule.definition)
        rule_state.load_all_memory(self._database, rule, detector)
        result = RuleResult(rule, detector, [])
        for firing in detector.find_silent(now):
            try:
                last = self._reader.read_event(rule.org_id, firing.hit.seq) if firing.hit else None
            except StoreError:
                return 0  # the alert needs the group's name, which only the store has: try again later
            result.firings.append((firing, last))
        if not detector.changed:
            return 0
        with self._database.write() as connection:
            return write_silence(connection, result, self._public_url, now=now)
