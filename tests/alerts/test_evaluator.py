"""Live evaluation: each event once, in index order, whatever is restarted, late or changed meanwhile."""

import asyncio

import pytest
from sqlalchemy import select

from tallystick.alerts import changes
from tallystick.alerts.tables import alert_hits, alert_positions
from tallystick.clock import DAY_US, SECOND_US
from tallystick.query.conditions import Query, exactly
from tallystick.search.scan import in_order_of_index
from tests.alerts.rule_driver import BASE, Watch, failed

FIVE = {"query": "action:user.login_failed", "count": 5, "window_seconds": 600, "group_by": "user",
        "cooldown_seconds": 600}  # fmt: skip


def told(watch: Watch, scope, action: str) -> int:
    """How many events of that action the trail has."""
    query = Query(exactly("action", action))
    size = watch.spine.size(scope.org_id)
    blocks = in_order_of_index(watch.spine.database, watch.spine.store, scope, query, 0, size)
    return sum(map(len, blocks))


def test_what_fires_is_an_alert_and_an_event_of_the_trail(watch):
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, "Guessing", **FIVE)
    watch.spine.record(scope, *[failed(60 * number) for number in range(6)], failed(30, "jo@acme.com"))
    watch.settle()
    mine = [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id]
    (one,) = mine
    assert (one.group, one.number, one.more, one.state) == ("sarah@acme.com", 5, 1, "open")
    assert (one.first_at, one.last_at) == (BASE, BASE + 240 * SECOND_US)
    assert len(one.event_ids) == 5
    assert one.search["user"] == "sarah@acme.com"
    assert told(watch, scope, "audit_log.alert_triggered") == len(watch.alerts(scope))


def test_a_name_states_nothing_in_the_sentence_of_an_alert(watch):
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, "Guessing", query="action:user.login_failed", says="{user} failed at {resource}.")
    name = "vault. False alarm, says alice. Somebody"
    watch.spine.record(scope, failed(user="eve@acme.com", resource={"type": "project", "name": name}))
    watch.settle()
    (one,) = [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id]
    assert one.sentence == f"eve@acme.com failed at “{name}”."


@pytest.mark.parametrize(
    ("kind", "label", "value"),
    [
        ("project", "Project", "vault"), ("user", "Resource", "vault (user)"),
        ("severity", "Resource", "vault (severity)"),
        ("IP_address", "Resource", "vault (IP_address)"), ("Approved by\nUser", "Resource", "vault (Approved by User)"),
    ],
)  # fmt: skip
def test_the_type_of_a_resource_is_no_label_that_a_sender_chose(watch, kind, label, value):
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, "Guessing", query="action:user.login_failed")
    watch.spine.record(scope, failed(resource={"type": kind, "name": "vault"}))
    watch.settle()
    (one,) = [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id]
    assert one.facts[0] == (label, value)
    assert [known for known, _ in one.facts[1:]] == ["Time", "User", "Action", "IP address"]


def test_an_organization_begins_with_the_rules_that_are_on_by_default_and_its_first_events_count(watch):
    scope = watch.spine.organization()
    watch.spine.record(scope, *[failed(number) for number in range(5)])
    watch.settle()
    assert [one.detection for one in watch.alerts(scope)] == ["failed_sign_ins"]


def test_batches_restarts_and_a_second_process_change_nothing(watch):
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, **FIVE)
    second = Watch(watch.spine)
    for number in range(5):
        watch.spine.record(scope, failed(number))
        if number == 2:
            watch.spine.ship()
        watch.evaluator.step()
        second.evaluator.step()
    watch.evaluator.stop()
    second.settle()
    assert [one.number for one in watch.alerts(scope) if one.rule_id == rule.rule_id] == [5]


def test_late_and_backdated_events_are_evaluated_with_those_of_their_time(watch):
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, **FIVE)
    watch.spine.record(scope, *[failed(-86400 * 20 + number) for number in (0, 1, 3, 4)])
    watch.settle()
    watch.spine.ship()
    watch.spine.record(scope, *[failed(number) for number in range(4)])
    watch.settle()
    assert not watch.alerts(scope) or all(one.detection for one in watch.alerts(scope))
    watch.spine.record(scope, failed(-86400 * 20 + 2))
    watch.settle()
    (one,) = [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id]
    assert one.first_at == BASE - 20 * DAY_US
    assert one.number == 5


def test_an_alerts_own_event_never_raises_one(watch):
    scope = watch.spine.organization()
    watch.settle()
    watch.rule(scope, "Everything")
    watch.spine.record(scope, failed())
    watch.settle()
    watch.settle()
    assert [one.rule_name for one in watch.alerts(scope)].count("Everything") == 2, "its making, and the event"


def test_a_sender_cannot_hide_behind_the_name_of_an_alerts_event(watch):
    scope = watch.spine.organization()
    watch.settle()
    watch.rule(scope, "Named", query="user:eve@acme.com")
    watch.spine.record_reserved(scope, {"action": "audit_log.alert_triggered", "actor": {"email": "eve@acme.com"}})
    watch.settle()
    assert [one.rule_name for one in watch.alerts(scope)] == ["Named"]


def test_one_organizations_events_never_count_in_another(watch):
    acme, other = watch.spine.organization(), watch.spine.organization("other")
    watch.settle()
    for scope in (acme, other):
        watch.rule(scope, **FIVE)
    for number in range(8):
        watch.spine.record(acme if number % 2 else other, failed(number))
    watch.settle()
    assert watch.alerts(acme) == watch.alerts(other) == []


def test_an_end_that_came_before_its_beginning_is_found_in_the_store(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(
        scope, kind="sequence", query="action:user.login_failed", count=3, then="action:user.login",
        window_seconds=600, group_by="user",
    )  # fmt: skip
    watch.spine.record(scope, failed(0), failed(10), failed(100, action="user.login"))
    watch.settle()
    watch.spine.ship()
    assert watch.alerts(scope) == []
    watch.spine.record(scope, failed(20))
    watch.settle()
    (one,) = [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id]
    assert one.number == 4


def test_the_baseline_of_a_rule_holds_events_from_before_it_was_created(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.spine.record(scope, failed(0, ip="192.0.2.1"), failed(1, ip="192.0.2.2"))
    watch.spine.ship()
    watch.settle()
    rule = watch.rule(scope, kind="first_seen", group_by="user", new="ip")
    watch.settle()
    watch.spine.record(scope, failed(2, ip="192.0.2.2"), failed(3, ip="192.0.2.9"), failed(4, "new@acme.com"))
    watch.settle()
    (one,) = [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id]
    assert one.sentence == "sarah@acme.com had never been seen with 192.0.2.9 before."


def test_a_changed_rule_evaluates_events_that_the_old_one_had_not(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, query="action:nothing.at_all")
    watch.settle()
    watch.spine.record(scope, failed())
    watch.change(scope, rule, definition={"query": "action:user.login_failed"})
    watch.settle()
    assert [one.number for one in watch.alerts(scope)] == [1]


def test_a_disabled_rule_evaluates_nothing_and_starts_without_state(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, **FIVE)
    watch.spine.record(scope, *[failed(number) for number in range(4)])
    watch.settle()
    watch.change(scope, rule, enabled=False)
    watch.change(scope, rule, enabled=True)
    watch.spine.record(scope, failed(5))
    watch.settle()
    assert [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id] == []
    assert told(watch, scope, "audit_log.alert_rule_disabled") == 1


def test_a_silence_fires_once_and_not_because_the_server_was_down(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, kind="silence", query="action:user.login_failed", window_seconds=3600, group_by="user")
    watch.spine.record(scope, failed())
    watch.settle()
    fresh = Watch(watch.spine)
    watch.evaluator.stop()
    later = BASE + 30 * 3600 * SECOND_US
    fresh.settle(later)
    assert fresh.alerts(scope) == [], "a server that has only just begun to listen calls nothing silence"
    fresh.settle(later + 700 * SECOND_US)
    fresh.settle(later + 1400 * SECOND_US)
    (one,) = [one for one in fresh.alerts(scope) if one.rule_id == rule.rule_id]
    assert (one.group, one.number) == ("sarah@acme.com", 0)


def test_hits_go_when_their_events_do(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization(days=7)
    watch.settle()
    watch.rule(scope, **FIVE)
    watch.spine.record(scope, failed(), failed(1))
    watch.settle()
    watch.spine.record(scope, {"action": "user.login", "actor": {"email": "jo@acme.com"}})
    watch.evaluator.step(BASE + 400 * DAY_US)
    with watch.spine.database.read() as connection:
        assert connection.execute(select(alert_hits)).all() == []
        assert connection.execute(select(alert_positions.c.next_index)).scalar_one() == watch.spine.size(scope.org_id)


class InTransactions:
    """Counts how many hits of a rule each transaction leaves."""

    def __init__(self, watch, scope, rule):
        self.watch, self.scope, self.rule, self.left = watch, scope, rule, []

    async def write(self, function, *arguments):
        with self.watch.spine.database.write() as connection:
            found = function(connection, self.scope, *arguments)
            of_rule = select(alert_hits).where(alert_hits.c.rule_id == self.rule.rule_id)
            self.left.append(len(connection.execute(of_rule).all()))
        return found


@pytest.mark.parametrize("given", [None, {"definition": {**FIVE, "count": 6}}], ids=["removed", "changed"])
def test_the_state_of_a_rule_goes_in_short_transactions_when_it_does(sqlite_watch, monkeypatch, given):
    monkeypatch.setattr("tallystick.database.deletion.MOST_DELETED", 2)
    watch, scope = sqlite_watch, sqlite_watch.spine.organization()
    watch.settle()
    rule, other = watch.rule(scope, **FIVE), watch.rule(scope, "Other", **FIVE)
    watch.spine.record(scope, *(failed(number) for number in range(4)))
    watch.settle()
    transactions = InTransactions(watch, scope, rule)
    asyncio.run(changes.drop_state(transactions, rule.public_id, given))
    assert transactions.left == [2, 0, 0]
    goes_on = InTransactions(watch, scope, other)
    asyncio.run(changes.drop_state(goes_on, other.public_id, {"name": "Another", "severity": "critical"}))
    assert goes_on.left == [4], "a rule that goes on keeps its state"


def test_old_hits_go_a_part_in_each_step(sqlite_watch, monkeypatch):
    monkeypatch.setattr("tallystick.database.deletion.MOST_DELETED", 2)
    watch, scope = sqlite_watch, sqlite_watch.spine.organization(days=7)
    watch.settle()
    watch.rule(scope, **FIVE)
    watch.spine.record(scope, *(failed(number) for number in range(3)))
    watch.settle()
    left = []
    for _ in range(2):
        watch.spine.record(scope, {"action": "user.login", "actor": {"email": "jo@acme.com"}})
        watch.evaluator.step(BASE + 400 * DAY_US)
        with watch.spine.database.read() as connection:
            left.append(len(connection.execute(select(alert_hits)).all()))
    assert left[0] - left[1] == 2
