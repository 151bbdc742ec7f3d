"""Dropping: which events a rule drops before they are recorded, what is answered, and what stays as it was."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.errors import Conflict, TallystickError
from tallystick.events.intake import read_request
from tallystick.events.prepared import Prepared
from tallystick.events.record import Record
from tallystick.ingest.submission import RecordingAnswer
from tallystick.intake_rules.drop_filter import DropRules
from tallystick.intake_rules.protection import ACTIONS
from tallystick.intake_rules.rule import IntakeRule, parse_query
from tallystick.ledger import check
from tallystick.query.conditions import Query
from tallystick.query.scope import Principal
from tallystick.search.match import compile_match
from tests.fixtures.spine import Spine
from tests.intake_rules.lists import drop, keep, set_rules

pytestmark = pytest.mark.one_engine
VIEWED = {"action": "project.viewed", "resource": {"type": "project", "id": "prj_1"}}
UPDATED = {"action": "project.updated"}
NOW = 1_705_329_045_000_000
KEY = Principal("api_key", "key_1", "CI")


def answers(answer: RecordingAnswer) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(answer.body())["events"]
    return events


@pytest.mark.both_engines
def test_a_dropped_event_is_answered_with_its_rule_and_the_others_get_consecutive_indexes(spine: Spine) -> None:
    scope = spine.organization()
    set_rules(spine, scope, drop("action:project.viewed", "irl_1"))
    size = spine.size(scope.org_id)
    found = answers(spine.record(scope, VIEWED, UPDATED, VIEWED, UPDATED))
    assert [one.get("index") for one in found] == [None, size, None, size + 1]
    assert found[0] == {"dropped": "irl_1"}
    assert set(found[1]) == {"id", "index", "timestamp", "duplicate"}
    assert spine.size(scope.org_id) == size + 2


def test_a_request_of_which_nothing_is_left_is_answered_and_records_nothing(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    set_rules(sqlite_spine, scope, drop("type:project", "irl_1"))
    size = sqlite_spine.size(scope.org_id)
    answer = sqlite_spine.record(scope, VIEWED)
    assert (answers(answer), answer.last_index) == ([{"dropped": "irl_1"}], -1)
    assert sqlite_spine.size(scope.org_id) == size


def test_the_external_id_of_a_dropped_event_is_not_remembered(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    set_rules(sqlite_spine, scope, drop("action:project.viewed"))
    sqlite_spine.record(scope, {**VIEWED, "external_id": "ci-1"})
    set_rules(sqlite_spine, scope)
    (again,) = sqlite_spine.record(scope, {**VIEWED, "external_id": "ci-1"}).events
    assert (again.duplicate, again.dropped) == (False, "")


def test_a_retry_under_the_same_key_gets_the_first_answer_with_what_was_dropped(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    set_rules(sqlite_spine, scope, drop("action:project.viewed"))
    first = sqlite_spine.record(scope, UPDATED, VIEWED, key="once")
    set_rules(sqlite_spine, scope)
    again = sqlite_spine.record(scope, UPDATED, VIEWED, key="once")
    assert (answers(again), again.duplicate) == (answers(first), True)
    with pytest.raises(Conflict):
        sqlite_spine.record(scope, UPDATED, key="once")


def test_the_first_rule_that_applies_decides(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    set_rules(sqlite_spine, scope, keep("source:billing", 30), drop("action:project.viewed"))
    billing = {**VIEWED, "context": {"source": "billing"}}
    found = answers(sqlite_spine.record(scope, billing, VIEWED))
    assert ["dropped" in one for one in found] == [False, True]


@pytest.mark.parametrize(
    "event",
    [
        {"action": "deployment.failed"},
        {"action": "project.viewed", "status": "failed"},
        {"action": "project.viewed", "severity": "high"},
        {"action": "project.viewed", "severity": "critical"},
        {"action": "user.login"},
        {"action": "user.role_changed", "category": "other", "severity": "info"},
        {"action": "role.created"},
        {"action": "api_key.created"},
        {"action": "acme.api_key_made"},
        {"action": "settings.sso_updated"},
    ],
    ids=lambda event: "-".join(event.values()),
)
def test_what_is_protected_is_dropped_only_by_a_rule_that_names_its_action(
    sqlite_spine: Spine, event: dict[str, object]
) -> None:
    scope, (noun, _, verb) = sqlite_spine.organization(), str(event["action"]).partition(".")
    for query, is_dropped in ((f"action:{noun}.*", False), ("-user:x", False), (f"action:{noun}.{verb}", True)):
        set_rules(sqlite_spine, scope, drop(query))
        (answer,) = answers(sqlite_spine.record(scope, event))
        assert ("dropped" in answer) is is_dropped, query


def test_an_action_that_is_excluded_or_stands_beside_a_wildcard_is_not_named(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    for query in ("action:user.* -action:user.login", "category:authentication", "action:user.l*"):
        set_rules(sqlite_spine, scope, drop(query))
        assert "dropped" not in answers(sqlite_spine.record(scope, {"action": "user.logout"}))[0]


def test_our_own_events_are_never_dropped(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    set_rules(
        sqlite_spine, scope, drop("action:audit_log.exported action:project.viewed"), drop("-user:nobody", "irl_all")
    )
    size = sqlite_spine.size(scope.org_id)
    sqlite_spine.record_own(scope, {"action": "audit_log.exported"})
    sqlite_spine.record_own(scope, VIEWED)
    assert sqlite_spine.size(scope.org_id) == size + 2


def test_a_rule_touches_no_other_organization(sqlite_spine: Spine) -> None:
    acme, other = sqlite_spine.organization(), sqlite_spine.organization("other")
    set_rules(sqlite_spine, acme, drop("action:project.viewed"))
    assert "dropped" not in answers(sqlite_spine.record(other, VIEWED))[0]


def test_every_process_drops_and_stops_once_it_has_looked(sqlite_spine: Spine) -> None:
    scope, second = sqlite_spine.organization(), DropRules(sqlite_spine.database)
    second.step()
    set_rules(sqlite_spine, scope, drop("action:project.viewed"))
    prepared = prepared_of([VIEWED])
    assert second.dropped(scope.org_id, prepared) == {}
    second.step()
    assert second.dropped(scope.org_id, prepared) == {0: "irl_drop"}
    set_rules(sqlite_spine, scope)
    second.step()
    assert second.dropped(scope.org_id, prepared) == {}


def prepared_of(events: list[dict[str, Any]]) -> list[Prepared]:
    body = json.dumps(events).encode()
    return read_request(body, "application/json", received_at=NOW, recorded_by=KEY, redacted_keys=frozenset())


ACTIONS_SENT = (
    "project.viewed",
    "project.updated",
    "user.login",
    "user.role_changed",
    "deployment.failed",
    "acme.done",
)
sent = st.fixed_dictionaries(
    {"action": st.sampled_from(ACTIONS_SENT)},
    optional={
        "status": st.sampled_from(("success", "failed")),
        "severity": st.sampled_from(("info", "medium", "high", "critical")),
        "category": st.sampled_from(("projects", "authentication", "users", "other")),
        "context": st.sampled_from(({"source": "billing"}, {"ip_address": "10.0.0.1"})),
    },
)
terms = st.sampled_from(
    (
        "action:project.viewed", "action:project.*", "action:user.login", "action:user.*", "-action:user.login",
        "status:failed", "status:success", "severity:high", "category:users", "source:billing", "ip:10.0.0.0/8",
        "action:deployment.failed", "(action:acme.done OR source:billing)", "-status:success",
    )
)  # fmt: skip
queries = st.lists(terms, min_size=1, max_size=3).map(" ".join)


@st.composite
def rule_lists(draw: st.DrawFn) -> list[IntakeRule]:
    found = draw(st.lists(st.tuples(queries, st.booleans()), max_size=4))
    return [
        drop(query, f"irl_{at}") if drops else keep(query, 1, f"irl_{at}") for at, (query, drops) in enumerate(found)
    ]


def is_protected(record: Record, rule: IntakeRule) -> bool:
    """Whether a rule may not touch the event, said in another way than the product says it."""
    if any(word == f"action:{record.action}" for word in rule.query.replace("(", " ").split()):
        return False
    named = record.action in ACTIONS or any(word in record.action for word in ("role", "permission", "password"))
    is_grave = record.severity in ("high", "critical") or record.status == "failed"
    return named or is_grave or record.category in ("authentication", "users")


def expected(record: Record, rules: list[IntakeRule]) -> str:
    for rule in rules:
        if compile_match(Query(parse_query(rule.query)))(record) and not is_protected(record, rule):
            return rule.id if rule.do == "drop" else ""
    return ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(sent, min_size=1, max_size=12), rules=rule_lists())
def test_an_event_is_dropped_if_and_only_if_a_rule_matches_it_and_nothing_protects_it(
    sqlite_spine: Spine, events: list[dict[str, Any]], rules: list[IntakeRule]
) -> None:
    with sqlite_spine.database.read() as connection:
        known = organizations.list_all(connection)
    scope = operator_scope(known[0].org_id) if known else sqlite_spine.organization()
    set_rules(sqlite_spine, scope, *rules)
    size = sqlite_spine.size(scope.org_id)
    answer = sqlite_spine.record(scope, *events).events
    records = [one.record for one in prepared_of(events)]
    assert [one.dropped for one in answer] == [expected(record, rules) for record in records]
    indexes = [one.index for one in answer if not one.dropped]
    assert indexes == list(range(size, size + len(indexes)))
    with sqlite_spine.database.read() as connection:
        assert check.recompute(connection, scope.org_id)[0] == size + len(indexes)


@pytest.mark.parametrize(
    "query", ["", "deploy", "metadata.team:web", "after:7d", "action:a.b OR word", "-word", "(", "on:today"]
)
def test_a_query_that_needs_more_than_the_columns_of_an_event_is_refused(query: str) -> None:
    with pytest.raises(TallystickError):
        parse_query(query)
