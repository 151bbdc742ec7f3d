"""Rules on real recording, evaluated step by step at the times that a test gives."""

from typing import Any

from tallystick import clock
from tallystick.alerts import changes
from tallystick.alerts.alert import Alert, list_alerts
from tallystick.alerts.baseline import BaselineWorker
from tallystick.alerts.changes import RuleSettings
from tallystick.alerts.evaluator import Evaluator
from tallystick.alerts.rule import Rule
from tallystick.clock import SECOND_US, rfc3339
from tallystick.journal.recent import Recent
from tallystick.query.scope import Scope
from tests.fixtures.spine import Spine

BASE = clock.now_us() // SECOND_US * SECOND_US - 3600 * SECOND_US
URL = "https://audit.example"


def failed(seconds: float = 0, user: str = "sarah@acme.com", ip: str = "192.0.2.7", **more: Any) -> dict[str, Any]:
    """A failed sign-in so many seconds after BASE."""
    return {
        "action": "user.login_failed", "actor": {"email": user}, "context": {"ip_address": ip},
        "timestamp": rfc3339(BASE + round(seconds * SECOND_US)), **more,
    }  # fmt: skip


class Watch:
    """One process that evaluates: the one that also records (`recording`), or another."""

    def __init__(self, spine: Spine, *, recording: bool = False, **of_evaluator: Any) -> None:
        self.spine = spine
        recent = spine.sequencer.recent if recording else Recent()
        self.evaluator = Evaluator(spine.database, spine.store, recent, URL, lambda: None, lambda: None, **of_evaluator)
        self.baselines = BaselineWorker(spine.database, spine.store)

    def stop(self) -> None:
        self.evaluator.stop()
        self.baselines.stop()

    def settle(self, now: int | None = None) -> None:
        """Evaluate all events, and record those that this itself causes."""
        for _ in range(100):
            while self.baselines.step(now):
                pass
            if not self.evaluator.step(now):
                self.spine.sequencer.tick([])
                if not self.evaluator.step(now):
                    return
        raise AssertionError("judging does not end")

    def rule(self, scope: Scope, name: str = "Rule", *, own: dict[str, Any] | None = None, **definition: Any) -> Rule:
        with self.spine.database.write() as connection:
            return changes.create(connection, scope, RuleSettings(name, definition, **(own or {})), now=clock.now_us())

    def change(self, scope: Scope, rule: Rule, **given: Any) -> Rule:
        with self.spine.database.write() as connection:
            return changes.change(connection, scope, rule.public_id, given, now=clock.now_us())

    def alerts(self, scope: Scope) -> list[Alert]:
        """Oldest first."""
        with self.spine.database.read() as connection:
            return list_alerts(connection, scope, limit=1000)[::-1]
