"""Builds the baselines of rules from past events, in a background worker, before these rules evaluate anything."""

from collections.abc import Iterator
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, select, update

from tallystick import clock
from tallystick.access.scopes import operator_scope
from tallystick.actions.catalogues import read_catalogue
from tallystick.alerts import rule_state
from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.detectors import BaselineDetector
from tallystick.alerts.event_reader import is_evaluated
from tallystick.alerts.rule import Rule, rule_clause, rule_of
from tallystick.alerts.tables import alert_positions, alert_rules
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.events.copies import record_of
from tallystick.ledger import log as ledger_log
from tallystick.query.conditions import Query
from tallystick.search.scan import in_order_of_index
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses
from tallystick.work.stop_signal import TimeSlice, check_stop, until_stop

IDLE_SECONDS = 2.0
LEASE_SECONDS = 900
LOOK_BACK = 90 * DAY_US
TURN_SECONDS = 0.5  # of one organization
MOST_BUILDS = 16  # begun and not complete
PAUSE_SECONDS = 10


class BaselineWorker(Background):
    """Builds baselines, of one rule of each organization at a time, in turns of TURN_SECONDS.

    A rule starts to evaluate (`learnt`) once its baseline covers every event that was evaluated without it: so each
    event is either part of the baseline or evaluated, never both and never neither.
    """

    def __init__(self, database: Database, store: EventStore) -> None:
        lease = Lease(database, "alerts-learning", seconds=LEASE_SECONDS)
        super().__init__("alerts_learning", idle_seconds=IDLE_SECONDS, lease=lease)
        self._database = database
        self._store = store
        self._builds: dict[UUID, tuple[Rule, Iterator[None]]] = {}
        self._last_turn: dict[UUID, int] = {}  # number of the step that last built for an organization
        self._steps = 0
        self._pauses = Pauses[UUID]("alerts_learning", seconds=PAUSE_SECONDS)

    def step(self, now: int | None = None) -> bool:
        """Continues the baseline of one rule; False if no rule is waiting. `now` in microseconds."""
        now = clock.now_us() if now is None else now
        waiting = self._waiting()
        if not waiting or not self.may_work(now):
            self._builds.clear()
            return False
        self._builds = {org_id: build for org_id, build in self._builds.items() if org_id in waiting}
        self._last_turn = {org_id: self._last_turn.get(org_id, 0) for org_id in waiting}
        # What was begun holds memory: with many begun, others wait until one of them is complete.
        among = self._builds if len(self._builds) >= MOST_BUILDS else waiting
        ready = [org_id for org_id in among if not self._pauses.is_paused(org_id, now)]
        if not ready:
            return False
        org_id = min(ready, key=self._last_turn.__getitem__)
        self._steps += 1
        self._last_turn[org_id] = self._steps
        if not self._pauses.attempt(org_id, now, partial(self._continue, waiting[org_id], now)):
            self._builds.pop(org_id, None)
        return True

    def _waiting(self) -> dict[UUID, Rule]:
        """Returns a rule without a baseline of each organization that has one."""
        rules: dict[UUID, Rule] = {}
        query = select(alert_rules).where(alert_rules.c.enabled, ~alert_rules.c.learnt)
        with self._database.read() as connection:
            for row in connection.execute(query.order_by(alert_rules.c.org_id, alert_rules.c.rule_id)):
                if row.org_id not in rules:
                    rules[row.org_id] = rule_of(row)
        return rules

    def _continue(self, rule: Rule, now: int) -> bool:
        """Builds for a turn; whether the baseline is not complete yet. A rule that was changed is begun anew."""
        known, build = self._builds.get(rule.org_id, (None, None))
        if build is None or known is None or (known.rule_id, known.version) != (rule.rule_id, rule.version):
            build = self._build(rule, now)
            self._builds[rule.org_id] = rule, build
        turn = TimeSlice(TURN_SECONDS)
        for _ in build:
            if turn.is_over():
                check_stop()
                return True
        return False

    def _build(self, rule: Rule, now: int) -> Iterator[None]:
        """Builds the baseline, and saves it at the end; pauses after each block of events."""
        detector = CompiledRule(rule.rule_id, rule.definition).new_detector()
        if not isinstance(detector, BaselineDetector):
            return
        end = 0
        while True:
            first = end
            with self._database.read() as connection:
                end = ledger_log.read(connection, rule.org_id).size
            yield from self._read_past(rule, detector, first, end, now)
            with self._database.write() as connection:
                # Locks the position, so that the evaluator cannot move on before the rule is on.
                if _evaluated_through(connection, rule) > end:
                    continue  # events were evaluated without the rule while this was reading: read these too
                unchanged = rule_clause(rule.org_id, rule.rule_id) & (alert_rules.c.version == rule.version)
                if connection.execute(
                    update(alert_rules).where(unchanged, ~alert_rules.c.learnt).values(learnt=True, since=end)
                ).rowcount:
                    rule_state.save_memory(connection, rule, detector)
                return

    def _read_past(self, rule: Rule, detector: BaselineDetector, first: int, end: int, now: int) -> Iterator[None]:
        with self._database.read() as connection:
            compiled = CompiledRule(rule.rule_id, rule.definition, read_catalogue(connection, rule.org_id))
        query = Query(compiled.steps[0].condition, start=now - LOOK_BACK)
        for block in in_order_of_index(self._database, self._store, operator_scope(rule.org_id), query, first, end):
            for event in until_stop(block):
                record = record_of(event)
                if is_evaluated(record):
                    for hit in compiled.hits(event.index, record):
                        detector.learn(hit)
            yield


def _evaluated_through(connection: Connection, rule: Rule) -> int:
    query = select(alert_positions.c.next_index).where(alert_positions.c.org_id == rule.org_id)
    return connection.execute(query.with_for_update()).scalar() or 0
