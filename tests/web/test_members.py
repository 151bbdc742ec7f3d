"""The Members page: people are seen, changed and put out by the page alone, also without scripts."""

import re

import pytest
from playwright.sync_api import expect

from tests.fixtures.servers import Starter
from tests.web.axe import violations_in_every_look
from tests.web.conftest import Town
from tests.web.forms import client, seen, token
from tests.web.settling import settle

PAGE = "/members"
ALICE, NICO, AUDITOR, MEMBER = "alice@acme.com", "nico@acme.com", "audit@acme.com", "john@acme.com"
OTHERS = ("mia@acme.com", "max@acme.com", "mona@acme.com", "milo@acme.com")


@pytest.fixture(scope="module")
def town(start_server: Starter):
    """A town of its own, since people are put out here."""
    server = start_server()
    people = {ALICE: "owner", NICO: "admin", AUDITOR: "auditor", MEMBER: "member"} | dict.fromkeys(OTHERS, "member")
    acme_key = settle(server.data_dir, "acme", "Acme", people)
    other_key = settle(server.data_dir, "other", "Other & Sons", {"charlie@other.example": "owner"})
    with server.client(acme_key) as acme, server.client(other_key) as other:
        yield Town(server, acme, other)


def send(asking, path="", **fields):
    return asking.post(PAGE + path, data={"form_token": token(asking)} | fields)


def public_id(asking, email) -> str:
    """The id of the member of this address, from a form of its row."""
    row = next(row for row in asking.get(PAGE).text.split("<tr>") if f">{email}<" in row)
    return re.search(r"/members/(usr_[0-9a-z]+)/role", row)[1]


def test_owners_and_admins_use_it_and_others_are_not_led_there(town):
    for email, status in ((ALICE, 200), (NICO, 200), (AUDITOR, 403), (MEMBER, 403)):
        with client(town, email) as asking:
            assert asking.get(PAGE).status_code == status, email
            assert (f'href="{PAGE}"' in asking.get("/cases").text) == (status == 200)


def test_a_role_is_changed_and_the_trail_says_from_what_to_what(town):
    with client(town) as asking:
        assert send(asking, f"/{public_id(asking, 'mia@acme.com')}/role", role="auditor").status_code == 303
    with client(town, "mia@acme.com") as changed:
        assert "auditor" in seen(changed.get("/cases"))
    event = town.event("action:user.role_changed")
    assert event["changes"] == {"role": {"before": "member", "after": "auditor"}}
    assert (event["actor"]["email"], event["context"]["ip_address"]) == (ALICE, "127.0.0.1")


@pytest.mark.parametrize(("email", "act"), [("max@acme.com", "disable"), ("mona@acme.com", "remove")])
def test_somebody_put_out_is_led_to_the_sign_in_at_once(town, email, act):
    with client(town, email) as leaver, client(town) as asking:
        assert leaver.get("/cases").status_code == 200
        send(asking, f"/{public_id(asking, email)}/{act}")
        assert leaver.get("/cases").headers["location"].startswith("/sign-in")


def test_somebody_signed_out_can_sign_in_again(town):
    with client(town, "milo@acme.com") as milo, client(town) as asking:
        send(asking, f"/{public_id(asking, 'milo@acme.com')}/sign-out")
        assert milo.get("/cases").status_code == 303
    town.sessions.pop("milo@acme.com")
    with client(town, "milo@acme.com") as milo:
        assert milo.get("/cases").status_code == 200


def test_the_last_owner_is_told_to_make_another_one_first(town):
    with client(town) as asking:
        mine = public_id(asking, ALICE)
        for act in ("disable", "remove", "role"):
            answer = send(asking, f"/{mine}/{act}", role="admin")
            assert answer.status_code == 409
            assert "This is the last owner" in seen(answer)


def test_an_admin_is_offered_no_change_of_owners(town):
    with client(town) as owner:
        alice = public_id(owner, ALICE)
    with client(town, NICO) as admin:
        assert f"/members/{alice}/role" not in admin.get(PAGE).text
        assert send(admin, f"/{alice}/role", role="member").status_code == 403


def test_an_owner_chooses_which_keys_end_with_a_leaver(town):
    with client(town) as asking:
        assert send(asking, "/leaver-keys", leaver_keys="all").status_code == 303
        assert re.search(r'value="all" checked', asking.get(PAGE).text)
        assert send(asking, "/leaver-keys", leaver_keys="some").status_code == 400


def test_charlie_gets_nothing_of_acmes_members(town):
    with client(town) as asking:
        member = public_id(asking, MEMBER)
    with client(town, "charlie@other.example") as charlie:
        assert MEMBER not in charlie.get(PAGE).text
        for act in ("role", "disable", "remove", "sign-out"):
            assert send(charlie, f"/{member}/{act}", role="owner").status_code == 404


def test_axe_finds_nothing_on_it(town, as_person, axe_script):
    page = as_person(ALICE, reduced_motion="reduce")
    page.goto(PAGE)
    expect(page.get_by_role("heading", name="Members", exact=True)).to_be_visible()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert violations_in_every_look(page, axe_script) == []
