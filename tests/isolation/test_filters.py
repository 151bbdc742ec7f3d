"""Who reads a part of the trail sees nothing around the filter, whatever is asked for, and however."""

import itertools
import json
import re
from typing import Any

import pytest

from tallystick.access import member_filter
from tallystick.access.key_changes import KeyChange, change_key
from tallystick.access.keys import FILTERED_PERMISSIONS, find_by_token, parse_key_id
from tallystick.access.scopes import operator_scope
from tallystick.api.openapi import path_template
from tallystick.api.operation import OPTION
from tallystick.api.routes import ROUTES
from tallystick.clock import now_us
from tallystick.search.filter_text import parse_filter
from tests.api.api_client import PATH, ApiClient, Operator, event, problem
from tests.fixtures.signed_in import SignedIn
from tests.fixtures.waiting import wait_until
from tests.isolation.api_table import api_rows

FILTER = "category:deployments"
SECRET = "quokka"  # stands in every hidden event, and in no request
KNOWN = "zebra"  # too, and whoever looks for it knows it
HIDDEN, SEEN = 40, 5
GUESSES = [
    KNOWN, f"{KNOWN} OR category:deployments", f"-{KNOWN} OR {KNOWN}", f"NOT (category:deployments -{KNOWN})",
    f"(category:deployments) OR (category:authentication {KNOWN})", f"user:{KNOWN}*", f"action:{KNOWN}.*",
    f"resource:{KNOWN}*", "-category:deployments", f"metadata.animal:{KNOWN}", "metadata.animal:*",
    f"metadata.animal:={KNOWN}", "metadata.list[name:*]", "ip:203.0.113.0/24", f"session:{KNOWN}_session",
    f"external_id:{KNOWN}-1", f"{KNOWN}_session", "severity:>=info -category:deployments", f"reason:*{KNOWN}*",
]  # fmt: skip


def story(number: int) -> dict[str, Any]:
    """An event that the filter keeps back."""
    return event(
        f"{KNOWN}.{SECRET}",
        category="authentication", status="failed", status_reason=f"{KNOWN} {SECRET}",
        description=f"{KNOWN} and {SECRET}", timestamp=f"2024-01-15T12:{number:02}:30Z",
        actor={"id": f"usr_{KNOWN}", "email": f"{KNOWN}@{SECRET}.example", "name": f"{KNOWN} {SECRET}"},
        resource={"type": f"{KNOWN}_{SECRET}", "id": f"{KNOWN}-{SECRET}", "name": f"{KNOWN} {SECRET}"},
        context={"ip_address": "203.0.113.9", "session_id": f"{KNOWN}_session", "user_agent": f"{KNOWN}/{SECRET}"},
        metadata={"animal": KNOWN, "other": SECRET, "list": [{"name": SECRET}]}, external_id=f"{KNOWN}-{number}",
    )  # fmt: skip


def visible(number: int) -> dict[str, Any]:
    """An event that it lets through, which shares address and session with the hidden ones."""
    return event(
        "deployment.failed",
        timestamp=f"2024-01-15T12:{number:02}:00Z", actor={"email": "sarah@acme.example"},
        resource={"type": "project", "id": "prj_88"},
        context={"ip_address": "203.0.113.9", "session_id": f"{KNOWN}_session"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def everything(operator: Operator) -> ApiClient:
    """A key that reads all."""
    made = operator.organization()
    made.record(*[visible(number) for number in range(SEEN)], *[story(number) for number in range(HIDDEN)])
    return operator.key(made.org_id, "events:read", "events:write", "exports")


@pytest.fixture(scope="module")
def limited(operator: Operator, everything: ApiClient) -> ApiClient:
    """A key with the filter, and all that such a key can do."""
    return operator.key(everything.org_id, *FILTERED_PERMISSIONS, limit=parse_filter(FILTER, now=now_us()))


@pytest.fixture(scope="module")
def auditor(operator: Operator, everything: ApiClient) -> SignedIn:
    """An auditor with the filter."""
    made = operator.signed_in(everything.org_id, f"tom-{everything.org_id.hex[:8]}@acme.example", "auditor")
    with operator.database.write() as connection:
        by, limit = operator_scope(everything.org_id), parse_filter(FILTER, now=now_us())
        member_filter.set_filter(connection, by, made.member.user_id, limit, now=now_us())
    return made


def tells_nothing(answer: Any) -> None:
    """Nothing of a hidden event, and no number that counts one."""
    assert answer.status_code in (200, 202, 400, 403, 404), answer.text
    assert SECRET not in answer.text
    if answer.status_code == 200 and '"total":' in answer.text[:100_000]:
        assert (answer.json()["total"] or 0) <= SEEN


def one_hidden(everything: ApiClient) -> dict[str, Any]:
    return everything.page(q=KNOWN, limit=1)["data"][0]


@pytest.mark.parametrize("guess", GUESSES)
def test_no_search_reaches_around_a_filter(limited, guess):
    for count in ("estimate", "exact"):
        answer = limited.get(q=guess, count=count)
        tells_nothing(answer)
        if answer.status_code == 200 and "OR" not in guess and "NOT" not in guess:
            assert answer.json()["total"] <= SEEN * ("session" in guess or "ip:" in guess)
    for accept in ("text/csv", "application/x-ndjson"):
        tells_nothing(limited.get(q=guess, headers={"Accept": accept}))
    tells_nothing(limited.get(f"{PATH}/histogram", q=guess, start="2024-01-15", end="2024-01-15"))
    tells_nothing(limited.get(f"{PATH}/facets", q=guess, field="user"))


@pytest.mark.parametrize("field", ["user", "action", "category", "status", "resource", "resource_type", "ip"])
def test_no_top_value_counts_around_a_filter(limited, field):
    answer = limited.get(f"{PATH}/facets", field=field)
    tells_nothing(answer)
    assert all(one["count"] <= SEEN for one in answer.json()["values"])


def test_a_histogram_counts_only_within_a_filter(limited):
    buckets = limited.get(f"{PATH}/histogram", start="2024-01-15", end="2024-01-15").json()["buckets"]
    assert sum(one["success"] + one["failed"] for one in buckets) == SEEN


def test_no_id_and_no_proof_reaches_around_a_filter(limited, everything):
    hidden = one_hidden(everything)["id"]
    for path in (hidden, f"{hidden}/related", f"{hidden}/proof"):
        problem(limited.get(f"{PATH}/{path}"), 404, "no_event")
    tells_nothing(limited.get(q=f"id:{hidden}"))


def test_an_event_that_is_not_shipped_yet_is_hidden_too(limited, everything):
    for number in range(20):
        fresh = everything.post(event(f"{KNOWN}.{SECRET}", category="users", metadata={"n": number}))
        problem(limited.get(f"{PATH}/{fresh.json()['events'][0]['id']}"), 404, "no_event")


def test_related_events_are_within_a_filter(limited):
    seen = limited.page(limit=1)["data"][0]["id"]
    answer = limited.get(f"{PATH}/{seen}/related", before="400d", after="400d", limit="200")
    tells_nothing(answer)
    assert "deployment.failed" in answer.text


def test_no_cursor_of_another_view_is_taken(limited, everything):
    for order in ("desc", "asc", "recorded"):
        cursor = everything.page(order=order, limit=1)["next_cursor"]
        problem(limited.get(order=order, limit=1, cursor=cursor), 400, "bad_cursor")


def test_no_offset_and_no_index_reaches_around_a_filter(limited):
    assert limited.page(offset=SEEN, limit=10)["data"] == []
    for after in range(-1, HIDDEN, 7):
        tells_nothing(limited.get(order="recorded", after=after))


def test_a_live_view_shows_only_what_the_filter_lets_through(limited, everything):
    with limited.live(after=-1) as view:
        everything.record(story(HIDDEN + 1), event("deployment.completed", description="last"))
        seen = list(itertools.takewhile(lambda one: one["data"].get("description") != "last", view))
    assert SECRET not in json.dumps(seen)


def test_actions_are_listed_only_as_far_as_they_are_seen(limited):
    listed = {one["action"]: one["events"] for one in limited.get("/v1/actions").json()["data"]}
    assert f"{KNOWN}.{SECRET}" not in listed


@pytest.mark.parametrize("kind", ["csv", "json", "ndjson", "pdf", "bundle"])
def test_an_export_holds_only_what_the_filter_lets_through(limited, kind):
    made = limited.http.post("/v1/exports", json={"format": kind, "filter": {"q": f"{KNOWN} OR deployment"}})
    path = f"/v1/exports/{made.json()['id']}"
    done = wait_until(lambda: (one := limited.get(path).json())["status"] == "completed" and one)
    assert SEEN <= done["rows"] <= SEEN + 1  # one more by the live view
    assert SECRET.encode() not in limited.get(f"{path}/download").content


def test_exports_of_others_are_closed(limited, everything):
    made = everything.http.post("/v1/exports", json={"format": "csv", "filter": {"q": KNOWN}}).json()["id"]
    problem(limited.get(f"/v1/exports/{made}"), 404, "no_export")
    assert made not in limited.get("/v1/exports").text


def test_what_a_key_exported_before_it_got_a_filter_is_closed(operator, everything):
    wide = operator.key(everything.org_id, "events:read", "exports")
    made = wide.http.post("/v1/exports", json={"format": "csv"}).json()["id"]
    wait_until(lambda: wide.get(f"/v1/exports/{made}").json()["status"] == "completed")
    link = wide.http.post(f"/v1/exports/{made}/link", json={}).json()["url"]
    with operator.database.write() as connection:
        by, key_id = operator_scope(everything.org_id), parse_key_id(key_of(connection, wide))
        change_key(connection, by, key_id, KeyChange(limit=parse_filter(FILTER, now=now_us())), now=now_us())
    wait_until(lambda: wide.get(f"/v1/exports/{made}").status_code == 404)
    assert wide.http.get(f"/v1/exports/{made}/download").status_code == 404
    assert wide.http.get("/v1/export-links/" + link.rpartition("/")[2]).status_code in (403, 404)


def key_of(connection: Any, client: ApiClient) -> str:
    return find_by_token(connection, client.key).public_id  # type: ignore[union-attr]


def test_every_endpoint_obeys_a_filter_or_refuses_a_key_with_one(limited):
    """Whoever adds an endpoint has to say that it obeys filters; without that word it is closed."""
    obeys = {
        f"{method} {path_template(path)}"
        for route in ROUTES
        for path in route.paths
        for method in map(str, route.http_methods)
        if route.opt[OPTION].serves_filtered
    }
    closed = [row for row in api_rows() if row.scopes and row.scopes <= FILTERED_PERMISSIONS and row.name not in obeys]
    assert {row.path for row in closed} >= {"/v1/reports", "/v1/reviews", "/v1/frameworks", "/v1/review-reminder"}
    for row in closed:
        path = re.sub(r"\{\w+\}", "x", row.path)
        problem(limited.http.request(row.method, path, json={}), 403, "whole_trail_only")


def test_a_key_that_could_lift_or_leave_its_filter_is_never_made(operator, everything):
    admin = operator.key(everything.org_id, "admin", "alerts", "events:read")
    for scope in ("admin", "alerts"):
        body = {"name": "Wide", "scopes": ["events:read", scope], "filter": FILTER}
        problem(admin.http.post("/v1/api-keys", json=body), 400, "bad_scope")


PAGES = [
    f"?q={KNOWN}", f"?q={KNOWN}&open=1", f"?user={KNOWN}*", f"?user={KNOWN}@{SECRET[:4]}*", f"?resource={KNOWN}*",
    f"/rows?q={KNOWN}", "/rows?q=zebre", f"/count?q={KNOWN}", f"/suggest/user?user_typed={KNOWN}",
    f"/suggest/resource?resource_typed={KNOWN}", f"/complete/user?typed={KNOWN}", f"/complete/action?typed={KNOWN}",
    f"/complete/reason?typed={KNOWN}", f"/complete/user_agent?typed={KNOWN}", f"/complete/session?typed={KNOWN}",
    "/facets/user", "/facets/action", "/facets/ip", f"/histogram?q={KNOWN}", "/histogram?start=2024-01-15",
    f"?q=actoin:{KNOWN}.x", f"?q=user:{KNOWN}@quoka.example", f"?q={KNOWN}_sesion", "/saved",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_no_page_shows_anything_around_a_filter(auditor, path):
    tells_nothing(auditor.get(f"/audit-logs{path}"))


def test_pages_of_a_hidden_event_are_not_found(auditor, everything):
    hidden = one_hidden(everything)["id"]
    for path in ("", "/related", "/proof", "/proof.json", "/investigate"):
        answer = auditor.get(f"/audit-logs/{hidden}{path}")
        assert (answer.status_code, SECRET in answer.text) == (404, False)


def test_pages_of_the_whole_trail_are_closed_and_not_offered(auditor):
    shown = auditor.get("/audit-logs?q=").text
    for path in ("/alerts", "/security", "/compliance", "/retention", "/integrity", "/actions", "/intake-rules"):
        answer = auditor.get(path)
        assert answer.status_code == 403
        assert f'{path}"' not in shown
    assert FILTER in shown


def test_cases_of_others_are_closed_to_a_filtered_auditor(operator, everything, auditor):
    owner = operator.signed_in(everything.org_id, f"ann-{everything.org_id.hex[:8]}@acme.example")
    assert owner.post("/cases", title=f"{KNOWN} {SECRET}", events=one_hidden(everything)["id"]).status_code in (
        200,
        303,
    )
    assert SECRET in owner.get("/cases").text
    assert SECRET not in auditor.get("/cases").text
