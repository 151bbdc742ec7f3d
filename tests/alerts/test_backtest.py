"""A back-test says exactly what the same events did live."""

from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallystick.access.scopes import person_scope, user_principal
from tallystick.alerts import history
from tallystick.alerts.backtest import Backtest, backtest
from tallystick.alerts.definition import RuleDefinition, parse_definition
from tallystick.api.backtests import BacktestResponse
from tallystick.clock import DAY_US, SECOND_US
from tallystick.errors import BadRequest, Forbidden
from tallystick.events.geoip import AddressFacts
from tallystick.ids import encode, new_uuid
from tallystick.integrity.missing_events import MissingEvents
from tests.alerts.rule_driver import BASE, Watch, failed
from tests.fixtures.sizes import size

number = count()
events = st.lists(
    st.tuples(
        st.integers(0, 3000),
        st.sampled_from(["sarah@acme.com", "Sarah@acme.com", "jo@acme.com"]),
        st.sampled_from(["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.3"]),
        st.sampled_from(["user.login_failed", "user.login_failed", "user.login", "user.unlocked"]),
    ),
    min_size=5,
    max_size=60,
)
rules = st.sampled_from(
    [
        {"query": "action:user.login_failed", "count": 3, "window_seconds": 600, "group_by": "user"},
        {"query": "action:user.login_failed", "count": 4, "window_seconds": 300, "group_by": "ip",
         "cooldown_seconds": 400},
        {"query": "login", "count": 2, "window_seconds": 900, "group_by": "ip", "distinct": "user",
         "cooldown_seconds": 60},
        {"query": "login -action:user.login", "count": 5, "window_seconds": 900, "cooldown_seconds": 900},
        {"query": "user:jo@acme.com", "group_by": "action", "cooldown_seconds": 300},
        {"query": "", "kind": "first_seen", "group_by": "user", "new": "ip"},
        {"query": "", "kind": "first_seen", "group_by": "user", "new": "country", "window_seconds": 900},
        {"query": "country:*", "count": 2, "window_seconds": 500, "group_by": "user", "distinct": "country",
         "cooldown_seconds": 300},
        {"query": "", "kind": "dormant", "group_by": "user", "window_seconds": 700},
        {"query": "action:user.login_failed", "kind": "sequence", "count": 2, "then": "action:user.login",
         "unless": "action:user.unlocked", "window_seconds": 600, "group_by": "user", "cooldown_seconds": 100},
    ]
)  # fmt: skip


def run(watch: Watch, scope, definition: RuleDefinition) -> Backtest:
    spine = watch.spine
    return backtest(spine.database, spine.store, scope, definition, BASE - 3600 * SECOND_US, BASE + DAY_US)


@pytest.mark.full_size
@settings(
    max_examples=size(10, 25),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    events,
    rules,
    st.lists(st.integers(1, 9), min_size=60, max_size=60),
    st.booleans(),
    st.sampled_from(["another process", "the one that records", "one that starts again and again"]),
)
def test_it_agrees_with_evaluating_the_same_events_live_in_any_batches_and_order(
    sqlite_watch, given_events, given_rule, sizes, shipped, judge
):
    watch = Watch(sqlite_watch.spine, recording=judge == "the one that records")
    watch.spine.places |= {"192.0.2.1": AddressFacts("DE"), "192.0.2.2": AddressFacts("FR")}
    scope = watch.spine.organization(f"acme{next(number)}")
    watch.settle()
    definition = given_rule | {"query": f"{given_rule['query']} -action:audit_log.* -action:organization.*".strip()}
    rule = watch.rule(scope, **definition)
    watch.settle()
    left = [failed(at, user, ip, action=action) for at, user, ip, action in given_events]
    for many in sizes:
        if left:
            watch.spine.record(scope, *left[:many])
            watch.evaluator.step()
            if judge == "one that starts again and again":
                watch.stop()
                watch = Watch(watch.spine)
            left = left[many:]
            if shipped and many > 4:
                watch.spine.ship()
    watch.settle()
    if shipped:
        watch.spine.ship()
    watch.stop()
    live = [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id]
    found = run(watch, scope, parse_definition(definition))
    assert [(one.at, one.number, one.event_ids) for one in found.firings] == [
        (one.at, one.number, tuple(encode("evt", raw) for raw in one.event_ids)) for one in live
    ]
    assert found.fired == len(live) == sum(found.days.values()) == sum(found.groups.values())


def test_it_names_the_missing_events_that_it_could_not_evaluate(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.spine.record(scope, *[failed(at) for at in range(5)])
    watch.spine.ship()
    definition = parse_definition({"query": "action:user.login_failed", "count": 5, "window_seconds": 60})
    assert run(watch, scope, definition).missing == []
    watch.spine.lose(scope, [2, 3])
    MissingEvents(watch.spine.database, watch.spine.store).step()
    found = run(watch, scope, definition)
    assert (found.fired, found.missing) == (0, [(2, 3)])
    assert BacktestResponse.of(found).missing == [[2, 3]]


def test_what_is_searched_in_whole_events_agrees_with_what_columns_say(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    agent = {"context": {"user_agent": "Chrome/120.0", "ip_address": "192.0.2.1"}}
    watch.spine.record(scope, *[failed(at, **agent) for at in range(5)], failed(9))
    watch.spine.ship()
    definition = parse_definition(
        {"query": "action:user.login_failed", "count": 5, "window_seconds": 60, "group_by": "device"}
    )
    found = run(watch, scope, definition)
    assert (found.fired, found.looked_at, found.groups) == (1, 5, {"Chrome": 1})


def test_only_the_period_is_searched_and_firings_are_counted_by_day(sqlite_watch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.spine.record(scope, failed(-7200), failed(0), failed(1))
    watch.spine.ship()
    found = run(watch, scope, parse_definition({"query": "action:user.login_failed"}))
    assert (found.fired, found.looked_at) == (2, 2)


def test_another_organization_and_a_member_get_nothing(sqlite_watch):
    watch = sqlite_watch
    scope, charlie = watch.spine.organization(), watch.spine.organization("charlie")
    watch.spine.record(scope, failed())
    watch.spine.ship()
    definition = parse_definition({"query": "action:user.login_failed"})
    assert run(watch, charlie, definition).looked_at == 0
    member = person_scope(scope.org_id, user_principal(new_uuid(BASE), "sarah@acme.com", "Sarah"), "member")
    with pytest.raises(Forbidden):
        run(watch, member, definition)


def test_a_silence_rule_cannot_be_back_tested(sqlite_watch):
    scope = sqlite_watch.spine.organization()
    with pytest.raises(BadRequest, match="cannot be back-tested"):
        run(sqlite_watch, scope, parse_definition({"kind": "silence", "window_seconds": 60}))


def test_too_many_matching_events_are_refused_and_not_cut_off(sqlite_watch, monkeypatch):
    scope = sqlite_watch.spine.organization()
    sqlite_watch.spine.record(scope, *[failed(at) for at in range(6)])
    sqlite_watch.spine.ship()
    monkeypatch.setattr(history, "MOST_EVENTS", 5)
    with pytest.raises(BadRequest, match="More than 5 events"):
        run(sqlite_watch, scope, parse_definition({"query": "action:user.login_failed"}))
