"""A key never sees the events of another organization, whatever is asked for, and however."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.api_client import PATH, ApiClient, Operator, event, problem

BOBS_EVENTS = 300  # many more than Alice has, whatever of her reading is recorded meanwhile

# What both write is the same but for the owner's name, so that every filter that finds one finds the other.
FILTERS: dict[str, list[str]] = {
    "start": ["2024-01-01", "2024-01-15T00:00:00Z"],
    "end": ["2024-12-31", "2024-01-16T00:00:00Z"],
    "tz": ["UTC", "Europe/Berlin"],
    "user": ["both@example.com", "usr_both", "*"],
    "action": ["deployment.failed", "deployment.*", "*"],
    "status": ["failed", "success"],
    "category": ["deployments", "settings"],
    "resource": ["vpc-production", "vpc-1", "*"],
    "resource_type": ["vpc", "*"],
    "ip": ["192.0.2.7", "0.0.0.0/0", "::/0"],
    "q": ["secret", "deploy", "both@", "", "failed", "-nothing", "bob", "alice OR bob"],
}


def story(owner: str, number: int) -> dict[str, Any]:
    return event(
        "deployment.failed",
        description=f"the secret of {owner}",
        timestamp=f"2024-01-15T12:{number % 60:02}:00Z",
        actor={"id": "usr_both", "email": "both@example.com", "name": f"{owner} Both"},
        resource={"type": "vpc", "id": "vpc-1", "name": "vpc-production"},
        context={"ip_address": "192.0.2.7", "session_id": "ses_1", "request_id": "req_1"},
        changes={"owner": owner, "secret": "of everybody"},
        external_id=f"same-{number}",
    )


@pytest.fixture(scope="module")
def alice(operator: Operator) -> ApiClient:
    """Alice owns."""
    made = operator.organization()
    made.record(*[story("alice", number) for number in range(5)])
    return made


@pytest.fixture(scope="module")
def bob(operator: Operator) -> ApiClient:
    """Bob belongs elsewhere."""
    made = operator.organization()
    made.record(*[story("bob", number) for number in range(BOBS_EVENTS)])
    return made


def only_alices(answer: Any) -> None:
    """The answer holds nothing of Bob's: neither his events nor a word of them."""
    assert answer.status_code in (200, 400, 404), answer.text
    assert "of bob" not in answer.text
    assert "bob Both" not in answer.text
    if answer.status_code == 200 and answer.headers["content-type"] == "application/json":
        assert (answer.json().get("total") or 0) < BOBS_EVENTS


def test_the_same_external_ids_are_nobody_elses_duplicates(alice, bob):
    assert {one["changes"]["owner"] for one in alice.page(action="deployment.*")["data"]} == {"alice"}
    assert bob.page(action="deployment.failed", count="exact")["total"] == BOBS_EVENTS


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FILTERS.items() for value in values])
def test_no_filter_reaches_over(alice, bob, name, value):
    for path, more in [(PATH, {}), (f"{PATH}/histogram", {}), (f"{PATH}/facets", {"field": "user"})]:
        only_alices(alice.get(path, **more, **{name: value}))
    for accept in ("text/csv", "application/x-ndjson"):
        only_alices(alice.get(headers={"Accept": accept}, **{name: value}))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.dictionaries(st.sampled_from(sorted(FILTERS)), st.integers(0, 7), max_size=5),
    order=st.sampled_from(["desc", "asc", "recorded"]),
    offset=st.integers(0, 3),
    limit=st.integers(1, 20),
    count=st.sampled_from(["estimate", "exact", "none"]),
)
def test_no_combination_of_parameters_reaches_over(alice, bob, chosen, order, offset, limit, count):
    filters = {name: FILTERS[name][number % len(FILTERS[name])] for name, number in chosen.items()}
    paging = {"order": order, "limit": limit, "count": count} | ({"offset": offset} if order != "recorded" else {})
    only_alices(alice.get(**filters, **paging))


def test_no_id_reaches_over(alice, bob):
    for one in bob.page(limit=1000)["data"]:
        problem(alice.get(f"{PATH}/{one['id']}"), 404, "no_event")
        only_alices(alice.get(q=f"id:{one['id']}"))


def test_an_id_that_is_not_shipped_yet_does_not_reach_over(alice, bob):
    for number in range(20):
        fresh = bob.post(event("fresh.done", metadata={"n": number})).json()["events"][0]["id"]
        problem(alice.get(f"{PATH}/{fresh}"), 404, "no_event")


def test_no_cursor_reaches_over(alice, bob):
    for order in ("desc", "asc", "recorded"):
        cursor = bob.page(order=order, limit=1, action="deployment.failed")["next_cursor"]
        problem(alice.get(order=order, limit=1, action="deployment.failed", cursor=cursor), 400, "bad_cursor")


def test_no_index_reaches_over(alice, bob):
    assert bob.page(limit=1)["searchable_through"] > alice.page(limit=1)["searchable_through"]
    for after in range(-1, 12):
        only_alices(alice.get(order="recorded", after=after))


@pytest.mark.parametrize("field", ["user", "action", "category", "status", "resource", "resource_type", "ip"])
def test_no_facet_counts_over(alice, bob, field):
    values = alice.get(f"{PATH}/facets", field=field).json()["values"]
    assert max(one["count"] for one in values) < BOBS_EVENTS


def test_no_histogram_counts_over(alice, bob):
    buckets = alice.get(f"{PATH}/histogram", start="2024-01-15", end="2024-01-15").json()["buckets"]
    assert sum(one["success"] + one["failed"] for one in buckets) == 5


def test_no_action_of_another_is_seen(alice, bob):
    bob.record(event("bobs.own_action"))
    assert "bobs.own_action" not in {one["action"] for one in alice.get("/v1/actions").json()["data"]}


def test_no_idempotency_key_reaches_over(alice, bob):
    headers = {"Idempotency-Key": "everybodys"}
    bobs = bob.post(event("bobs.thing"), headers=headers).json()
    alices = alice.post(event("alices.thing"), headers=headers).json()
    assert alices["duplicate"] is False
    assert alices["events"][0]["id"] != bobs["events"][0]["id"]


def test_no_live_view_shows_anothers_events(alice, bob):
    with alice.live(after=-1) as view:
        bob.record(event("bobs.while_watched"))
        alice.record(event("alices.own"))
        seen = list(itertools.takewhile(lambda one: one["data"].get("action") != "alices.own", view))
    assert "bob Both" not in json.dumps(seen)
    assert "bobs.while_watched" not in json.dumps(seen)


def test_no_position_of_another_is_one_of_ours(alice, bob):
    size = bob.page(limit=1)["searchable_through"]
    bob.record(*[event("bobs.more")] * 100)
    answer = alice.get(f"{PATH}/live", after=size + 100)
    problem(answer, 400, "bad_position")
