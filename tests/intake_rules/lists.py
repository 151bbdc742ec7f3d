"""Lists of intake rules for tests, in force at once."""

from tallystick import clock
from tallystick.clock import DAY_US
from tallystick.intake_rules.rule import IntakeRule
from tallystick.intake_rules.rule_list import write_rules
from tallystick.query.scope import Scope
from tests.fixtures.spine import Spine


def drop(query: str, name: str = "irl_drop") -> IntakeRule:
    return IntakeRule(name, query, "drop", None, "alice@acme.com", 0)


def keep(query: str, days: int, name: str = "irl_keep") -> IntakeRule:
    return IntakeRule(name, query, "keep", days, "alice@acme.com", 0)


def set_rules(spine: Spine, scope: Scope, *rules: IntakeRule) -> None:
    """Let these rules be in force, as if somebody had decided on them two days ago, and tell the recorder."""
    with spine.database.write() as connection:
        then = clock.now_us() - 2 * DAY_US
        write_rules(connection, scope.org_id, lambda _rules: rules, retention_days=36_500, now=then)
    spine.drop_rules.step()
