"""What waits for a second person, over HTTP."""

import pytest

from tests.api.api_client import ApiClient, problem
from tests.fixtures.signed_in import SignedIn

DECISIONS = "/v1/decisions"


@pytest.fixture
def acme(organization, operator) -> ApiClient:
    made: ApiClient = operator.key(organization().org_id, "admin", "events:read", "events:write")
    return made


@pytest.fixture
def owners(acme, operator) -> list[SignedIn]:
    """Two owners."""
    return [operator.signed_in(acme.org_id, f"{name}-{acme.org_id.hex}@example.com") for name in ("maya", "nico")]


def pending(asking: ApiClient) -> dict[str, object]:
    (found,) = [one for one in asking.get(DECISIONS).json()["data"] if one["state"] == "pending"]
    assert asking.get(f"{DECISIONS}/{found['id']}").json() == found
    return found


def test_a_requested_retention_is_shown_until_another_owner_confirms_it(acme, owners):
    maya, nico = owners
    assert maya.post("/retention", plan="pro").status_code == 303
    asked = pending(acme)
    assert asked["kind"] == "retention"
    assert asked["retention"] == {
        "plan": "pro", "retention_days": 90, "before": {"plan": "enterprise", "retention_days": 3650},
    }  # fmt: skip
    assert [one["name"] for one in asked["agreed_by"]] == [maya.member.email]
    assert acme.get("/v1/retention").json()["days"] == 3650
    path = f"/retention/requests/{asked['id']}/confirm"
    assert maya.post(path).status_code == 403
    assert nico.post(path).status_code == 303
    assert acme.get("/v1/retention").json()["days"] == 90
    ended = acme.get(f"{DECISIONS}/{asked['id']}").json()
    assert (ended["state"], [one["id"] for one in ended["agreed_by"]]) == (
        "confirmed", [nobody.member.principal.id for nobody in owners],
    )  # fmt: skip


def test_a_request_is_cancelled_and_an_erasure_with_it(acme, owners):
    maya, _ = owners
    maya.post("/retention", plan="pro")
    asked = pending(acme)
    for _ in range(2):
        cancelled = acme.http.post(f"{DECISIONS}/{asked['id']}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    maya.post("/retention/erasures", email="sarah@acme.com", reason="Request 17")
    asked = pending(acme)
    assert asked["kind"] == "erasure"
    assert acme.http.post(f"{DECISIONS}/{asked['id']}/cancel").json()["state"] == "cancelled"
    erasure = acme.get(f"/v1/erasures/{asked['target']}").json()
    assert (erasure["state"], erasure["subject"]) == ("cancelled", None)


def test_another_organization_sees_and_decides_nothing(acme, owners, organization, operator):
    charlie = operator.key(organization().org_id, "admin", "events:read")
    owner = operator.signed_in(charlie.org_id, f"charlie-{acme.org_id.hex}@example.com")
    owners[0].post("/retention", plan="pro")
    asked = pending(acme)
    assert charlie.get(DECISIONS).json() == {"data": []}
    problem(charlie.get(f"{DECISIONS}/{asked['id']}"), 404, "no_decision")
    problem(charlie.http.post(f"{DECISIONS}/{asked['id']}/cancel"), 404, "no_decision")
    for what in ("confirm", "cancel"):
        assert owner.post(f"/retention/requests/{asked['id']}/{what}").status_code == 404
    assert pending(acme) == asked


def test_a_key_without_admin_sees_and_cancels_nothing(acme, owners, operator):
    owners[0].post("/retention", plan="pro")
    reader = operator.key(acme.org_id, "events:read", "exports", "alerts")
    here = f"{DECISIONS}/{pending(acme)['id']}"
    for answer in (reader.get(DECISIONS), reader.get(here), reader.http.post(f"{here}/cancel")):
        problem(answer, 403, "missing_permission")
