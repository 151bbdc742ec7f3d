"""Builds the baselines of rules from past events, in a background worker, before these rules evaluate anything."""

from sqlalchemy import Connection, select, update

from tallystick import clock
from tallystick.access.scopes import operator_scope
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

IDLE_SECONDS = 2.0
LEASE_SECONDS = 900
LOOK_BACK = 90 * DAY_US


class BaselineWorker(Background):
    """Builds the baseline of one rule at a time.

    A rule starts to evaluate (`learnt`) once its baseline covers every event that was evaluated without it: so each
    event is either part of the baseline or evaluated, never both and never neither.
    """

    def __init__(self, database: Database, store: EventStore) -> None:
        lease = Lease(database, "alerts-learning", seconds=LEASE_SECONDS)
        super().__init__("alerts_learning", idle_seconds=IDLE_SECONDS, lease=lease)
        self._database = database
        self._store = store

    def step(self, now: int | None = None) -> bool:
        """Builds the baseline of one rule; False if no rule is waiting. `now` in microseconds."""
        now = clock.now_us() if now is None else now
        with self._database.read() as connection:
            row = connection.execute(
                select(alert_rules).where(alert_rules.c.enabled, ~alert_rules.c.learnt).limit(1)
            ).first()
        if row is None or not self.may_work(now):
            return False
        self._build(rule_of(row), now)
        return True

    def _build(self, rule: Rule, now: int) -> None:
        detector = CompiledRule(rule.rule_id, rule.definition).new_detector()
        if not isinstance(detector, BaselineDetector):
            return
        end = 0
        while True:
            first = end
            with self._database.read() as connection:
                end = ledger_log.read(connection, rule.org_id).size
            self._read_past(rule, detector, first, end, now)
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

    def _read_past(self, rule: Rule, detector: BaselineDetector, first: int, end: int, now: int) -> None:
        compiled = CompiledRule(rule.rule_id, rule.definition)
        query = Query(compiled.steps[0].condition, start=now - LOOK_BACK)
        for block in in_order_of_index(self._database, self._store, operator_scope(rule.org_id), query, first, end):
            if self.stopping.is_set():
                raise InterruptedError("the server is stopping")
            for event in block:
                record = record_of(event)
                if is_evaluated(record):
                    for hit in compiled.hits(event.index, record):
                        detector.learn(hit)


def _evaluated_through(connection: Connection, rule: Rule) -> int:
    query = select(alert_positions.c.next_index).where(alert_positions.c.org_id == rule.org_id)
    return connection.execute(query.with_for_update()).scalar() or 0
