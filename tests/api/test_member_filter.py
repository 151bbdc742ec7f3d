"""/v1/members/{id}/filter: previewed, set and removed by a key that an owner created."""

import pytest

from tallystick import ids
from tests.api.api_client import event, problem


@pytest.fixture
def admin(operator):
    made = operator.organization()
    made.record(*[event("deployment.failed")] * 7, event("user.login"))
    return operator.key(made.org_id, "admin", "events:read")


@pytest.fixture
def path(operator, admin):
    made = operator.signed_in(admin.org_id, f"tom-{admin.org_id.hex[:8]}@acme.example", "auditor")
    return f"/v1/members/{ids.encode('usr', made.member.user_id.bytes)}"


def test_a_preview_counts_and_shows_what_the_member_would_see_and_changes_nothing(admin, path):
    found = admin.http.post(f"{path}/filter/preview", json={"filter": "category:deployments"}).json()
    assert (found["total"], found["total_relation"], len(found["data"])) == (7, "exact", 5)
    assert {one["action"] for one in found["data"]} == {"deployment.failed"}
    assert admin.get(f"{path}/filter").json()["filter"] is None


def test_a_filter_is_set_listed_and_removed(admin, path):
    assert admin.http.put(f"{path}/filter", json={"filter": "category:deployments"}).status_code == 200
    assert admin.get(path).json()["filter"] == "category:deployments"
    problem(admin.http.patch(path, json={"role": "admin"}), 409, "member_filtered")
    assert admin.http.put(f"{path}/filter", json={"filter": None}).json()["filter"] is None


@pytest.mark.parametrize(("text", "code"), [("deploy", "bad_filter"), ("category:x", "bad_query"), (" ", "bad_filter")])
def test_a_filter_that_cannot_be_used_is_refused(admin, path, text, code):
    problem(admin.http.post(f"{path}/filter/preview", json={"filter": text}), 400, code)
