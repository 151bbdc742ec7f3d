"""/v1/members: listed, changed and removed; a person whose access ends is out within a second, in open views too."""

import pytest

from tallystick.access import people, sessions
from tallystick.access.members import parse_member_id
from tallystick.access.scopes import operator_scope
from tallystick.access.sessions import cookie_name
from tallystick.clock import now_us
from tests.api.api_client import ApiClient, problem
from tests.fixtures.waiting import wait_until

MEMBERS = "/v1/members"
MIA, OLGA = "mia@acme.com", "olga@acme.com"


@pytest.fixture
def admin(operator) -> ApiClient:
    """A key that reads events and manages members."""
    return operator.key(operator.organization().org_id, "events:read", "events:write", "admin")


@pytest.fixture
def join(operator, admin):
    """Makes a member of the admin's organization; returns the public id."""

    def made(email: str, role: str = "member") -> str:
        with operator.database.write() as connection:
            return people.create(connection, operator_scope(admin.org_id), email, role, now=now_us()).public_id

    return made


def test_members_are_listed_with_role_state_and_last_sign_in(admin, join, operator):
    join(OLGA, "owner")
    [listed] = admin.get(MEMBERS).json()["data"]
    assert (listed["email"], listed["role"], listed["disabled"], listed["signed_in_at"]) == (
        OLGA, "owner", False, None,
    )  # fmt: skip
    sign_in(operator, admin, listed["id"])
    assert admin.get(f"{MEMBERS}/{listed['id']}").json()["signed_in_at"] is not None


def test_a_change_takes_effect_and_is_recorded_with_before_and_after(admin, join):
    member = join(MIA)
    changed = admin.http.patch(f"{MEMBERS}/{member}", json={"role": "auditor", "disabled": True})
    assert (changed.json()["role"], changed.json()["disabled"]) == ("auditor", True)
    found = wait_until(lambda: admin.page(action="user.role_changed")["data"])
    assert found[0]["changes"] == {"role": {"before": "member", "after": "auditor"}}


def test_both_changes_happen_or_none(admin, join):
    member = join(MIA)
    problem(admin.http.patch(f"{MEMBERS}/{member}", json={"disabled": True, "role": "boss"}), 400, "bad_role")
    shown = admin.get(f"{MEMBERS}/{member}").json()
    assert (shown["role"], shown["disabled"]) == ("member", False)


@pytest.mark.parametrize("body", [{}, {"role": None}, {"disabled": "yes"}, {"email": "x@acme.com"}])
def test_what_cannot_be_is_refused(admin, join, body):
    problem(admin.http.patch(f"{MEMBERS}/{join('mia@acme.com')}", json=body), 400, "bad_member_input")


def test_a_key_neither_makes_nor_changes_owners(admin, join):
    owner, member = join(OLGA, "owner"), join(MIA)
    problem(admin.http.patch(f"{MEMBERS}/{member}", json={"role": "owner"}), 403, "owner_only")
    problem(admin.http.delete(f"{MEMBERS}/{owner}"), 403, "owner_only")


def test_a_signed_out_member_has_no_session_and_a_removed_one_is_gone(admin, join, operator):
    member = join(MIA)
    cookie = sign_in(operator, admin, member)
    assert page_status(admin, cookie) == 200
    assert admin.http.post(f"{MEMBERS}/{member}/sign-out").json() == {"sessions_ended": 1}
    assert page_status(admin, cookie) == 303
    assert admin.http.delete(f"{MEMBERS}/{member}").status_code == 204
    problem(admin.get(f"{MEMBERS}/{member}"), 404, "no_member")


def test_an_open_live_view_of_a_removed_member_ends(admin, join, operator):
    member = join(MIA)
    cookie = sign_in(operator, admin, member)
    with admin.http.stream("GET", "/audit-logs/live", headers={"Cookie": cookie}) as stream:
        lines = stream.iter_lines()
        assert "connected" in next(lines)
        admin.http.delete(f"{MEMBERS}/{member}")
        # Without a look at the access, the first message would be the one of the fifteenth second, and no end.
        assert any("signed-out" in line for line in lines)


def test_an_open_stream_of_a_revoked_key_ends(admin):
    made = admin.http.post("/v1/api-keys", json={"name": "follower", "scopes": ["events:read"]}).json()
    with (
        ApiClient(str(admin.http.base_url), admin.org_id, made["key"]).http as follower,
        follower.stream("GET", "/v1/audit-logs/live") as stream,
    ):
        lines = stream.iter_lines()
        assert "retry" in next(lines)
        admin.http.delete(f"/v1/api-keys/{made['id']}")
        assert any("key_revoked" in line for line in lines)


def test_charlie_neither_sees_nor_changes_members_of_another_organization(admin, join, operator):
    member, charlie = join(MIA), operator.key(operator.organization().org_id, "admin")
    assert charlie.get(MEMBERS).json()["data"] == []
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {"role": "admin"}), ("POST", "/sign-out", None), ("DELETE", "", None),
    ):  # fmt: skip
        problem(charlie.http.request(method, f"{MEMBERS}/{member}{path}", json=body), 404, "no_member")


def sign_in(operator, admin: ApiClient, member: str) -> str:
    """The cookie of a session of a member."""
    with operator.database.write() as connection:
        token = sessions.begin(connection, parse_member_id(member), admin.org_id, now=now_us())
    return f"{cookie_name(str(admin.http.base_url))}={token}"


def page_status(admin: ApiClient, cookie: str) -> int:
    return admin.http.get("/audit-logs", headers={"Cookie": cookie}, follow_redirects=False).status_code
