"""From an invitation to somebody who is out again, by page alone."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.fixtures.servers import Starter
from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.web.axe import violations_in_every_look
from tests.web.conftest import Town
from tests.web.forms import client, seen, token
from tests.web.settling import PASSWORD, settle

ALICE, MIA = "alice@acme.com", "mia@acme.com"


@pytest.fixture(scope="module")
def town(start_server: Starter):
    """A town of its own, since people come and go here."""
    server = start_server()
    acme_key = settle(server.data_dir, "acme", "Acme", {ALICE: "owner"})
    other_key = settle(server.data_dir, "other", "Other & Sons", {"charlie@other.example": "owner"})
    with server.client(acme_key) as acme, server.client(other_key) as other:
        town = Town(server, acme, other)
        town.record({"action": "thing.done"})
        yield town


def invite(asking, email, role="member"):
    return asking.post("/members/invitations", data={"form_token": token(asking), "email": email, "role": role})


def path_of(answer) -> str:
    """The path of the link on the page that answers an invitation."""
    return re.search(r"/join/[\w-]+", answer.text)[0]


def stranger(town) -> httpx.Client:
    return httpx.Client(base_url=town.server.url, headers={"Origin": town.server.url}, timeout=PATIENCE_SECONDS)


def test_an_owner_invites_and_the_colleague_joins_changes_role_and_is_out_within_a_second(
    town, as_person, browser, axe_script
):
    owner = as_person(ALICE)
    owner.goto("/members")
    owner.get_by_label("Email").fill(MIA)
    owner.locator("form[action='/members/invitations']").get_by_label("Role").select_option("admin")
    owner.get_by_role("button", name="Invite", exact=True).click()
    link = owner.locator("#new-link").inner_text()

    context = browser.new_context(base_url=town.server.url, reduced_motion="reduce")
    mia = context.new_page()
    mia.goto(link[link.index("/join/") :])
    expect(mia.get_by_role("heading", name="Join Acme")).to_be_visible()
    assert violations_in_every_look(mia, axe_script) == []
    mia.get_by_label("Your name").fill("Mia")
    mia.get_by_label("Password").fill(PASSWORD)
    mia.get_by_role("button", name="Join").click()
    expect(mia.get_by_role("heading", name="Audit Logs")).to_be_visible()

    owner.goto("/members")
    row = owner.get_by_role("row").filter(has_text=MIA)
    row.locator("summary", has_text="Change role").click()
    row.get_by_label("Role").select_option("auditor")
    row.get_by_role("button", name="Change role").click()
    mia.goto("/audit-logs")
    expect(mia.locator(".person .role")).to_have_text("auditor")

    mia.get_by_role("button", name="Live").click()
    expect(mia.get_by_role("button", name="Pause")).to_be_visible()
    row.locator("summary", has_text="Remove").click()
    row.get_by_role("button", name="Remove member").click()
    expect(mia.get_by_text("You are signed out.").first).to_be_visible(timeout=3000)
    mia.goto("/audit-logs")
    expect(mia.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
    for query in ("user.invited", "user.joined", "user.role_changed", "user.removed"):
        event = town.event(f"action:{query}")
        assert event["context"]["ip_address"] == "127.0.0.1"
        assert set(event["changes"]["role"]) == {"before", "after"}


def test_somebody_with_an_account_signs_in_and_joins_a_second_organization(town):
    with client(town) as asking:
        path = path_of(invite(asking, "charlie@other.example", "auditor"))
    with stranger(town) as nobody:
        refused = nobody.post(path, data={"name": "Charlie", "password": PASSWORD})
        assert (refused.status_code, "Sign in with it" in seen(refused)) == (409, True)
        signed_in = nobody.post("/sign-in", data={"email": "charlie@other.example", "password": PASSWORD, "next": path})
        assert signed_in.headers["location"] == path
        form_token = re.search(r'name="form_token" value="(\w+)"', nobody.get(path).text)[1]
        assert nobody.post(path).status_code == 403
        joined = nobody.post(path, data={"form_token": form_token})
        assert joined.status_code == 303
        assert "Acme" in seen(nobody.get("/cases"))
        assert nobody.get(path).status_code == 404


def test_an_invitation_for_somebody_else_says_so(town):
    with client(town) as asking:
        path = path_of(invite(asking, "max@acme.com"))
        assert "Sign out first" in seen(asking.get(path))
        assert asking.post(path, data={"form_token": token(asking)}).status_code == 409


def test_a_short_password_is_refused_and_the_link_stays(town):
    with client(town) as asking:
        path = path_of(invite(asking, "milo@acme.com"))
    with stranger(town) as nobody:
        refused = nobody.post(path, data={"name": "Milo", "password": "short"})
        assert (refused.status_code, 'value="Milo"' in refused.text) == (400, True)
        assert nobody.post(path, data={"name": "Milo", "password": PASSWORD}).status_code == 303
        assert "milo@acme.com" in seen(nobody.get("/cases"))
        assert nobody.get(path).status_code == 404


def test_an_open_invitation_is_listed_and_revoked(town):
    with client(town) as asking:
        path = path_of(invite(asking, "mona@acme.com"))
        act = re.search(r"/members/invitations/inv_\w+/revoke", asking.get("/members").text)[0]
        ids = re.findall(r"(/members/invitations/inv_\w+)/revoke", asking.get("/members").text)
        assert act
        for one in ids:
            asking.post(f"{one}/revoke", data={"form_token": token(asking)})
        assert "Open invitations" not in seen(asking.get("/members"))
        assert asking.get(path).status_code == 404


def test_a_mistake_is_named_and_what_was_typed_is_kept(town):
    with client(town) as asking:
        answer = invite(asking, ALICE)
        assert (answer.status_code, "already belongs" in seen(answer)) == (409, True)
        assert f'value="{ALICE}"' in answer.text
