"""Intake rules, over HTTP."""

import pytest

from tallystick.clock import DAY_US, now_us
from tallystick.intake_rules.rule_list import write_rules
from tests.api.api_client import ApiClient, event, problem
from tests.fixtures.signed_in import SignedIn
from tests.fixtures.waiting import wait_until
from tests.intake_rules.lists import drop

RULES = "/v1/intake-rules"
SHIELD = {"query": "user:sarah@acme.com", "do": "keep", "days": 3650}
DROP = {"query": "action:project.viewed", "do": "drop"}


@pytest.fixture
def acme(organization, operator) -> ApiClient:
    made: ApiClient = operator.key(organization().org_id, "admin", "events:read", "events:write", "alerts")
    return made


@pytest.fixture
def maya(acme, operator) -> SignedIn:
    return operator.signed_in(acme.org_id, f"maya-{acme.org_id.hex}@example.com")


def test_a_rule_that_shortens_nothing_is_added_moved_shown_and_removed(acme):
    first = acme.http.post(RULES, json=SHIELD)
    assert first.status_code == 201
    rule = first.json()
    assert {name: rule[name] for name in SHIELD} == SHIELD
    assert (rule["position"], rule["in_force"], rule["effective_at"]) == (1, True, None)
    second = acme.http.post(RULES, json=SHIELD | {"query": "user:jo@acme.com", "position": 1}).json()
    assert [one["id"] for one in acme.get(RULES).json()["data"]] == [second["id"], rule["id"]]
    moved = acme.http.patch(f"{RULES}/{rule['id']}", json={"position": 1}).json()
    assert moved == acme.get(f"{RULES}/{rule['id']}").json()
    assert acme.get(RULES).json()["in_force"] == [rule["id"], second["id"]]
    assert acme.http.delete(f"{RULES}/{rule['id']}").status_code == 204
    problem(acme.get(f"{RULES}/{rule['id']}"), 404, "no_intake_rule")


def test_no_key_drops_events_or_keeps_them_for_less_and_is_told_the_page(acme, running):
    refused = problem(acme.http.post(RULES, json=DROP), 403, "person_required")
    assert refused["page"] == f"{running.url}/intake-rules?look=new&query=action%3Aproject.viewed&do=drop#new"
    rule = acme.http.post(RULES, json=SHIELD).json()
    problem(acme.http.patch(f"{RULES}/{rule['id']}", json={"days": 1}), 403, "person_required")
    assert [one["days"] for one in acme.get(RULES).json()["data"]] == [3650]


@pytest.mark.parametrize(
    "wrong",
    [
        {"query": "deploy", "do": "drop"},
        {"query": "action:a.b", "do": "keep"},
        {"query": "action:a.b", "do": "keep", "days": 3651},
        {"query": "action:a.b", "do": "hide"},
        {"query": "action:a.b", "do": "drop", "position": 0},
        {"query": "action:a.b", "do": "drop", "about": "x"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(acme, wrong):
    problem(acme.http.post(RULES, json=wrong), 400, "bad_intake_rule")


def test_a_preview_counts_what_a_rule_would_have_saved_and_changes_nothing(acme):
    acme.record(*(event("project.viewed") for _ in range(3)), event("project.updated"))
    found = acme.http.post(f"{RULES}/preview", json=DROP).json()
    assert (found["events"], found["partial"]) == (3, False)
    assert found["bytes"] > 3 * 100
    assert found["start"] < found["end"]
    assert acme.get(RULES).json()["data"] == []


def test_a_rule_that_an_owner_made_takes_effect_a_day_later_and_a_second_owner_is_asked(acme, maya, operator):
    assert maya.post("/intake-rules", query=DROP["query"], do="drop", days="").status_code == 303
    (rule,) = acme.get(RULES).json()["data"]
    assert (rule["do"], rule["in_force"]) == ("drop", False)
    assert rule["effective_at"] is not None
    assert acme.get(RULES).json()["in_force"] == []
    nico = operator.signed_in(acme.org_id, f"nico-{acme.org_id.hex}@example.com")
    assert maya.post("/intake-rules", query="action:project.updated", do="keep", days="1").status_code == 303
    asked = acme.get(RULES).json()["pending"]
    assert [one["query"] for one in asked["intake_rules"]["rules"]] == [DROP["query"], "action:project.updated"]
    assert [one["query"] for one in asked["intake_rules"]["before"]] == [DROP["query"]]
    assert asked == acme.get(f"/v1/decisions/{asked['id']}").json()
    assert maya.post(f"/intake-rules/requests/{asked['id']}/confirm").status_code == 403
    assert nico.post(f"/intake-rules/requests/{asked['id']}/confirm").status_code == 303
    assert [one["position"] for one in acme.get(RULES).json()["data"]] == [1, 2]


def test_a_dropped_event_is_answered_with_its_rule_and_is_counted(acme, operator):
    with operator.database.write() as connection:
        rules = (drop(DROP["query"], "irl_1"),)
        two_days_ago = now_us() - 2 * DAY_US
        write_rules(connection, acme.org_id, lambda _rules: rules, retention_days=3650, now=two_days_ago)
    answered = wait_until(lambda: dropped(acme))
    assert answered == [{"dropped": "irl_1"}]
    (rule,) = acme.get(RULES).json()["data"]
    assert rule["dropped"]["events"] >= 1


def dropped(acme: ApiClient) -> list[dict[str, object]]:
    """The answer for one viewed project, once the server has seen the rule."""
    events: list[dict[str, object]] = acme.post({"action": "project.viewed"}).json()["events"]
    return events if "dropped" in events[0] else []


def test_another_organization_sees_and_changes_no_rule(acme, organization, operator):
    rule = acme.http.post(RULES, json=SHIELD).json()
    charlie = operator.key(organization().org_id, "admin", "events:read", "events:write", "alerts")
    assert charlie.get(RULES).json()["data"] == []
    for answer in (
        charlie.get(f"{RULES}/{rule['id']}"),
        charlie.http.patch(f"{RULES}/{rule['id']}", json={"position": 1}),
        charlie.http.delete(f"{RULES}/{rule['id']}"),
    ):
        problem(answer, 404, "no_intake_rule")
    assert acme.get(f"{RULES}/{rule['id']}").json() == rule
