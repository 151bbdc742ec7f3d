"""Erasures over HTTP: asked for, looked at, confirmed by somebody else."""

import json

import pytest

from tests.api.api_client import PATH, ApiClient, event, problem
from tests.fixtures.signed_in import SignedIn
from tests.fixtures.waiting import wait_until

ERASURES = "/v1/erasures"
SUBJECT = {"subject": {"email": "sarah@acme.com"}, "reason": "Request 17"}


def admin(operator, asking: ApiClient) -> ApiClient:
    made: ApiClient = operator.key(asking.org_id, "admin", "events:read", "events:write")
    return made


@pytest.fixture(scope="module")
def alice(organization, operator) -> ApiClient:
    return admin(operator, organization())


@pytest.fixture(scope="module")
def maya(alice, operator) -> SignedIn:
    """An owner of the same organization, in a browser."""
    return operator.signed_in(alice.org_id, "maya@erasures.example")


@pytest.fixture(scope="module")
def nico(alice, operator) -> SignedIn:
    return operator.signed_in(alice.org_id, "nico@erasures.example", "admin")


@pytest.fixture(scope="module")
def charlie(organization, operator) -> ApiClient:
    return admin(operator, organization())


def ask(asking: ApiClient, **more: object):
    return asking.http.post(ERASURES, content=json.dumps(SUBJECT | more).encode())


def sarahs(**more: object):
    return event("user.login", actor={"email": "sarah@acme.com", "name": "Sarah Lin"}, **more)


def test_an_erasure_that_a_key_requests_is_confirmed_by_two_people_and_done(alice, maya, nico):
    recorded = alice.record(sarahs(description="kept"), event("user.invited", description="sarah@acme.com")).pop(0)
    asked = ask(alice, also=["Sarah Lin"])
    assert asked.status_code == 201, asked.text
    erasure = asked.json()
    assert (erasure["state"], erasure["preview"]["events"], erasure["preview"]["held"]) == ("ready", 2, 0)
    assert erasure["preview"]["names"] == {"email": ["sarah@acme.com"], "name": ["Sarah Lin"]}
    assert erasure["also"] == ["Sarah Lin"]
    here = f"{ERASURES}/{erasure['id']}"
    page = f"/retention/erasures/{erasure['id']}/confirm"
    assert maya.post(page).status_code == 303
    first = alice.get(here).json()
    assert (first["state"], first["first_confirmed_by"]["name"]) == ("ready", "maya@erasures.example")
    assert maya.post(page).status_code == 403
    assert nico.post(page).status_code == 303
    confirmed = alice.get(here).json()
    assert confirmed["confirmed_by"]["name"] == "nico@erasures.example"
    problem(alice.http.post(f"{here}/cancel"), 409, "erasure_over")

    path = f"{PATH}/{recorded['id']}"
    whole = wait_until(lambda: alice.get(path).json() if "erased" in alice.get(path).json() else None)
    assert (whole["erased"], whole["actor"], whole["description"]) == (["who"], {}, "kept")
    assert [(one["parts"], one["reason"]) for one in whole["erased_by"]] == [(["who"], "Request 17")]
    assert whole["erased_by"][0]["index"] > whole["index"]
    assert alice.page(q="sarah")["total"] == 0
    proof = alice.get(f"{path}/proof", headers={"Accept": "application/json"}).json()
    assert (proof["event"]["who"], set(proof["event"]["commitments"])) == (None, {"who"})
    assert "sarah" not in alice.get(headers={"Accept": "text/csv"}).text.lower()
    wait_until(lambda: alice.get(here).json()["subject"] is None)
    assert "sarah" not in alice.get(ERASURES).text.lower()
    assert alice.actions(action="audit_log.erasure_*") == [
        "audit_log.erasure_confirmed", "audit_log.erasure_confirmed", "audit_log.erasure_requested",
    ]  # fmt: skip


def test_no_key_confirms_whoever_requested_it_and_is_told_where_a_person_does(alice, maya, operator, running):
    by_key = ask(alice, subject={"email": "kim@acme.com"}).json()["id"]
    maya.post("/retention/erasures", email="lou@acme.com", reason="Request 20")
    by_person = next(
        one["id"] for one in alice.get(ERASURES).json()["data"] if (one["subject"] or {}).get("email") == "lou@acme.com"
    )
    for key in (alice, admin(operator, alice)):
        for erasure_id in (by_key, by_person):
            refused = problem(key.http.post(f"{ERASURES}/{erasure_id}/confirm"), 403, "person_required")
            assert refused["page"] == f"{running.url}/retention#erasures"
            assert key.http.post(f"{ERASURES}/{erasure_id}/cancel").status_code == 200


def test_a_request_can_be_cancelled_and_is_forgotten(alice):
    erasure = ask(alice, subject={"email": "nobody@acme.com"}).json()
    cancelled = alice.http.post(f"{ERASURES}/{erasure['id']}/cancel")
    assert (cancelled.json()["state"], cancelled.json()["subject"]) == ("cancelled", None)
    assert alice.http.post(f"{ERASURES}/{erasure['id']}/cancel").json() == cancelled.json()


def test_another_organization_sees_and_decides_nothing(alice, charlie):
    charlie.record(sarahs())
    erasure = ask(alice).json()
    here = f"{ERASURES}/{erasure['id']}"
    problem(charlie.get(here), 404, "no_erasure")
    problem(charlie.http.post(f"{here}/confirm"), 404, "no_erasure")
    problem(charlie.http.post(f"{here}/cancel"), 404, "no_erasure")
    assert charlie.get(ERASURES).json() == {"data": []}
    assert alice.get(here).json()["state"] in ("looking", "ready")
    assert charlie.page(user="sarah@acme.com")["total"] == 1


def test_a_key_without_admin_does_nothing_here(alice, operator):
    reader = operator.key(alice.org_id, "events:read", "events:write")
    erasure = ask(alice).json()
    here = f"{ERASURES}/{erasure['id']}"
    for answer in (
        reader.get(ERASURES), ask(reader), reader.get(here), reader.http.post(f"{here}/confirm"),
        reader.http.post(f"{here}/cancel"),
    ):  # fmt: skip
        problem(answer, 403, "missing_permission")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "bad_erasure"),
        (b"{}", "bad_erasure"),
        (b'{"subject": {}, "reason": "x"}', "bad_erasure"),
        (b'{"subject": {"email": "sarah"}, "reason": "x"}', "bad_erasure"),
        (b'{"subject": {"email": "a@b.c"}, "reason": ""}', "bad_erasure"),
        (b'{"subject": {"email": "a@b.c"}}', "bad_erasure"),
        (b'{"subject": {"email": "a@b.c", "name": "x"}, "reason": "x"}', "bad_erasure"),
        (b'{"subject": {"email": "a@b.c"}, "reason": "x", "also": ["a"]}', "bad_erasure"),
        (b'{"subject": {"email": "a@b.c"}, "reason": "x", "also": ["%s"]}' % (b"a" * 321), "bad_erasure"),
        (b'{"subject": {"id": "a\\u0000b"}, "reason": "x"}', "bad_erasure"),
        (b'{"subject": {"email": "a@b.c"}, "reason": "for A@b.c"}', "reason_names_subject"),
        (b"[" * 40_000, "bad_erasure"),
    ],
)
def test_a_bad_request_is_refused_and_nothing_is_looked_for(body, code, charlie):
    before = charlie.get(ERASURES).json()
    problem(charlie.http.post(ERASURES, content=body), 400, code)
    assert charlie.get(ERASURES).json() == before
