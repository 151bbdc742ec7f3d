"""/v1/invitations: a person is invited with a link that is shown once, or sent."""

import pytest

from tests.api.api_client import ApiClient, problem

INVITATIONS = "/v1/invitations"
MIA = "mia@invited.example"


@pytest.fixture
def admin(operator) -> ApiClient:
    """A key that manages members."""
    return operator.key(operator.organization().org_id, "admin")


def invite(admin: ApiClient, email: str = MIA, role: str = "auditor"):
    return admin.http.post(INVITATIONS, json={"email": email, "role": role})


def test_the_link_is_shown_once_where_there_is_no_mail_server(admin):
    made = invite(admin)
    assert made.status_code == 201
    link = made.json()["link"]
    assert "/join/" in link
    shown = admin.get(f"{INVITATIONS}/{made.json()['id']}")
    assert (shown.json()["email"], shown.json()["state"], shown.json()["sent_at"]) == (MIA, "open", None)
    assert link.rpartition("/")[2] not in shown.text + admin.get(INVITATIONS).text


def test_a_revoked_invitation_stays_in_the_list_and_its_link_is_refused(admin):
    made = invite(admin).json()
    page = made["link"].partition("//")[2].partition("/")[2]
    assert admin.http.get(f"/{page}").status_code == 200
    assert admin.http.delete(f"{INVITATIONS}/{made['id']}").status_code == 204
    assert admin.http.get(f"/{page}").status_code == 404
    assert [one["state"] for one in admin.get(INVITATIONS).json()["data"]] == ["revoked"]
    problem(admin.http.post(f"{INVITATIONS}/{made['id']}/resend"), 409, "invitation_over")


def test_it_is_not_sent_again_within_a_minute(admin):
    made = invite(admin).json()
    problem(admin.http.post(f"{INVITATIONS}/{made['id']}/resend"), 429, "too_many_invitations")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"email": "nobody", "role": "member"}, "bad_email"),
        ({"email": MIA, "role": "boss"}, "bad_role"),
        ({"email": MIA}, "bad_invitation_input"),
        ({"email": MIA, "role": "member", "name": "Mia"}, "bad_invitation_input"),
    ],
)
def test_what_cannot_be_is_refused(admin, body, code):
    problem(admin.http.post(INVITATIONS, json=body), 400, code)


def test_somebody_is_invited_once_and_no_owner_by_a_key(admin):
    invite(admin)
    problem(invite(admin), 409, "invitation_exists")
    problem(invite(admin, "olga@invited.example", "owner"), 403, "owner_only")


def test_charlie_neither_sees_nor_changes_invitations_of_another_organization(admin, operator):
    made, charlie = invite(admin).json(), operator.key(operator.organization().org_id, "admin")
    assert charlie.get(INVITATIONS).json()["data"] == []
    for method, path in (("GET", ""), ("POST", "/resend"), ("DELETE", "")):
        problem(charlie.http.request(method, f"{INVITATIONS}/{made['id']}{path}"), 404, "no_invitation")
