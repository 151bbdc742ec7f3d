"""Retention and legal holds, over HTTP."""

import json

import pytest

from tests.api.api_client import ApiClient, event, problem

HOLDS = "/v1/legal-holds"
HOLD = {"name": "Case 7", "query": "user:sarah@acme.com", "start": "2024-01-01", "end": "2024-03-31"}


@pytest.fixture(scope="module")
def alice(organization, operator) -> ApiClient:
    asking = organization()
    made: ApiClient = operator.key(asking.org_id, "admin", "events:read", "events:write")
    return made


@pytest.fixture(scope="module")
def charlie(organization, operator) -> ApiClient:
    asking = organization()
    made: ApiClient = operator.key(asking.org_id, "admin", "events:read", "events:write")
    return made


def place(asking: ApiClient, **more: object):
    return asking.http.post(HOLDS, content=json.dumps(HOLD | more).encode())


def test_a_hold_is_placed_shown_and_listed_and_no_key_releases_it(alice, running):
    placed = place(alice)
    assert placed.status_code == 201
    hold = placed.json()
    assert {name: hold[name] for name in HOLD} == HOLD
    assert alice.get(f"{HOLDS}/{hold['id']}").json() == hold
    assert hold in alice.get(HOLDS).json()["data"]
    refused = problem(alice.http.post(f"{HOLDS}/{hold['id']}/release"), 403, "person_required")
    assert refused["page"] == f"{running.url}/retention?look=release&hold={hold['id']}#holds"
    assert alice.get(f"{HOLDS}/{hold['id']}").json() == hold


def test_a_person_releases_a_hold_and_the_api_says_so(alice, operator):
    hold = place(alice).json()
    maya = operator.signed_in(alice.org_id, "maya@keeping.example")
    assert maya.post(f"/retention/holds/{hold['id']}/release").status_code == 303
    assert alice.http.post(f"{HOLDS}/{hold['id']}/release").json()["released_at"] is not None


def test_retention_says_what_is_kept_and_how_much_is_held(alice):
    place(alice)
    said = alice.get("/v1/retention").json()
    assert (said["plan"], said["days"], said["pruned"]) == ("enterprise", 3650, 0)
    assert said["expiring"] == {"within_days": 7, "events": 0, "never_exported": 0, "relation": "exact"}
    assert said["active_holds"] >= 1


def test_another_organization_sees_and_releases_no_hold(alice, charlie):
    hold = place(alice).json()
    problem(charlie.get(f"{HOLDS}/{hold['id']}"), 404, "no_hold")
    problem(charlie.http.post(f"{HOLDS}/{hold['id']}/release"), 404, "no_hold")
    assert charlie.get(HOLDS).json() == {"data": []}
    assert charlie.get("/v1/retention").json()["active_holds"] == 0
    assert alice.get(f"{HOLDS}/{hold['id']}").json()["released_at"] is None


def test_a_key_without_admin_neither_sees_nor_places_a_hold(alice, operator):
    reader = operator.key(alice.org_id, "events:read", "events:write")
    for answer in (reader.get(HOLDS), place(reader), reader.get("/v1/retention")):
        problem(answer, 403, "missing_permission")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "bad_hold"),
        (b"{}", "bad_hold"),
        (b'{"name": "x"}', "bad_hold"),
        (b'{"name": "", "query": "a:b"}', "bad_hold"),
        (b'{"name": "x", "query": 7}', "bad_hold"),
        (b'{"name": "x", "query": "failed", "until": "2024"}', "bad_hold"),
        (b'{"name": "x", "query": "statsu:failed"}', "bad_query"),
        (b'{"name": "x", "start": "some day"}', "bad_parameter"),
        (b'{"name": "x", "query": "\\u0000"}', "bad_hold"),
        (b'{"name": "x", "query": "%s"}' % (b"a" * 2001), "bad_hold"),
        (b"[" * 40_000, "bad_hold"),
    ],
)
def test_a_bad_hold_is_refused_and_nothing_is_held(body, code, charlie):
    before = charlie.get(HOLDS).json()
    problem(charlie.http.post(HOLDS, content=body), 400, code)
    assert charlie.get(HOLDS).json() == before


def change(asking: ApiClient, path: str = "", **more: object):
    return asking.http.post(f"/v1/retention{path}", content=json.dumps(more).encode())


def test_a_longer_retention_is_previewed_and_then_made(organization, operator):
    asking = organization()
    owner = operator.key(asking.org_id, "admin", "events:read", "events:write")
    said = change(owner, "/preview", retention_days=4000).json()
    assert (said["plan"], said["retention_days"]) == ("enterprise", 4000)
    assert said["before"] == {"plan": "enterprise", "retention_days": 3650}
    assert said["deletes"] == {"events": 0, "never_exported": 0, "relation": "exact", "oldest": None}
    assert owner.get("/v1/retention").json()["days"] == 3650
    assert change(owner, retention_days=4000).status_code == 200
    assert owner.get("/v1/retention").json()["days"] == 4000


@pytest.mark.parametrize(("wanted", "query"), [({"plan": "free"}, "plan=free"), ({"retention_days": 400}, "days=400")])
def test_no_key_shortens_the_retention_and_is_told_where_a_person_does(wanted, query, organization, operator, running):
    asking = organization()
    key = operator.key(asking.org_id, "admin", "events:read", "events:write")
    refused = problem(change(key, **wanted), 403, "person_required")
    assert refused["page"] == f"{running.url}/retention?look=change&{query}#change"
    kept = key.get("/v1/retention").json()
    assert (kept["plan"], kept["days"]) == ("enterprise", 3650)
    key.record(event("project.viewed"))  # a record of the change would be searchable before this
    assert key.actions(action="audit_log.retention_*") == []


def test_a_plan_ends_where_it_ends(organization, operator):
    asking = organization()
    owner = operator.key(asking.org_id, "admin")
    assert operator.signed_in(asking.org_id, "owner@plan.example").post("/retention", plan="free").status_code == 303
    problem(change(owner, plan="enterprise"), 403, "plan_ends")
    problem(change(owner, "/preview", retention_days=30), 403, "plan_ends")


def test_who_may_not_change_the_retention_may_not_preview_it_either(alice, charlie, operator):
    reader = operator.key(alice.org_id, "events:read")
    for path in ("", "/preview"):
        problem(change(reader, path, retention_days=400), 403, "missing_permission")
    before = alice.get("/v1/retention").json()["days"]
    assert change(charlie, retention_days=4000).status_code == 200
    assert alice.get("/v1/retention").json()["days"] == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", "bad_retention"),
        (b"[]", "bad_retention"),
        (b'{"plan": "gold"}', "bad_plan"),
        (b'{"retention_days": 0}', "bad_retention"),
        (b'{"retention_days": 36501}', "bad_retention"),
        (b'{"retention_days": "90"}', "bad_retention"),
        (b'{"days": 90}', "bad_retention"),
        (b"{", "bad_json"),
    ],
)
def test_a_bad_change_is_refused(body, code, charlie):
    for path in ("/v1/retention", "/v1/retention/preview"):
        problem(charlie.http.post(path, content=body), 400, code)
