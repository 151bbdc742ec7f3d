"""Checks the silence rules of all organizations by the server's clock, one organization's rule after another's."""

from collections import deque
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from tallystick.alerts import rule_state
from tallystick.alerts.detectors import SilenceDetector
from tallystick.alerts.evaluation import RuleResult
from tallystick.alerts.event_reader import EventReader
from tallystick.alerts.rule import Rule, rule_of
from tallystick.alerts.tables import alert_rules
from tallystick.alerts.write_results import write_silence
from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.store.errors import StoreError
from tallystick.work.stop_signal import TimeSlice

EVERY_US = 5 * SECOND_US
RECONNECT_US = 600 * SECOND_US  # senders may need this long to reconnect after a start
SLICE_SECONDS = 0.25
GROUPS_AT_ONCE = 50


class SilenceChecks:
    """Checks every silence rule about every five seconds, a part of them at each call. Not thread-safe."""

    def __init__(self, database: Database, reader: EventReader, public_url: str) -> None:
        self._database = database
        self._reader = reader
        self._public_url = public_url
        self._next_round = 0
        self._started_at: int | None = None
        self._waiting: deque[deque[Rule]] = deque()  # of each organization, the next one first

    def check(self, now: int, behind: Collection[UUID]) -> int:
        """Checks the rules that are due at `now` (microseconds), within a slice of time; returns the number of alerts.

        Organizations that are `behind` have events that were not evaluated: while these wait, a group may not be
        silent at all.
        """
        self._started_at = now if self._started_at is None else self._started_at
        if not self._waiting and not 0 <= self._next_round - now <= EVERY_US:
            self._next_round = now + EVERY_US
            self._waiting = self._rules()
        alerts, slice_ = 0, TimeSlice(SLICE_SECONDS)
        while self._waiting and not slice_.is_over():
            rules = self._waiting.popleft()
            rule, found = rules.popleft(), 0
            if rule.org_id not in behind and self._has_run_long_enough(rule, now):
                found = self._check_rule(rule, now)
            if found >= GROUPS_AT_ONCE:
                rules.append(rule)  # more groups may be silent
            if rules:
                self._waiting.append(rules)
            alerts += found
        return alerts

    @property
    def is_unfinished(self) -> bool:
        """Whether rules are left that were due at the last call."""
        return bool(self._waiting)

    def _rules(self) -> deque[deque[Rule]]:
        query = select(alert_rules).where(
            alert_rules.c.enabled, alert_rules.c.learnt, alert_rules.c.shape.contains('"silence"')
        )
        by_organization: dict[UUID, deque[Rule]] = {}
        with self._database.read() as connection:
            for rule in map(rule_of, connection.execute(query)):
                if rule.definition.kind == "silence":
                    by_organization.setdefault(rule.org_id, deque()).append(rule)
        return deque(by_organization.values())

    def _has_run_long_enough(self, rule: Rule, now: int) -> bool:
        """Whether a silence may be reported: right after a start, it may have been this server that was down."""
        return now - (self._started_at or now) >= min(rule.definition.window_us, RECONNECT_US)

    def _check_rule(self, rule: Rule, now: int) -> int:
        detector = SilenceDetector(rule.definition)
        rule_state.load_silent_groups(
            self._database, rule, detector, before=now - rule.definition.window_us, most=GROUPS_AT_ONCE
        )
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
