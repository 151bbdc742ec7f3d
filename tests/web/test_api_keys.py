"""The API keys page: a key is made, shown once, rotated and revoked by the page alone, also without scripts."""

import re

import pytest
from playwright.sync_api import expect

from tests.fixtures.servers import Starter
from tests.fixtures.waiting import wait_until
from tests.web.axe import violations_in_every_look
from tests.web.conftest import Town
from tests.web.forms import client, seen, token
from tests.web.settling import settle

PAGE = "/api-keys"
ALICE, NICO, AUDITOR, MEMBER = "alice@acme.com", "nico@acme.com", "audit@acme.com", "john@acme.com"


@pytest.fixture(scope="module")
def town(start_server: Starter):
    """A town of its own, since keys are made here."""
    server = start_server()
    people = {ALICE: "owner", NICO: "admin", AUDITOR: "auditor", MEMBER: "member"}
    acme_key = settle(server.data_dir, "acme", "Acme", people)
    other_key = settle(server.data_dir, "other", "Other & Sons", {"charlie@other.example": "owner"})
    with server.client(acme_key) as acme, server.client(other_key) as other:
        yield Town(server, acme, other)


def send(asking, path="", **fields):
    return asking.post(PAGE + path, data={"form_token": token(asking)} | fields)


def new_key(page) -> str:
    return re.search(r"tsk_[0-9A-Za-z]{36}", page.text)[0]


def public_id(asking, name) -> str:
    """The id of the newest key of this name, from its form."""
    row = next(row for row in asking.get(PAGE).text.split("<tr>") if f">{name}<" in row)
    return re.search(r"/api-keys/(key_[0-9a-z]+)/revoke", row)[1]


def test_owners_and_admins_use_it_and_others_are_not_led_there(town):
    for email, status in ((ALICE, 200), (NICO, 200), (AUDITOR, 403), (MEMBER, 403)):
        with client(town, email) as asking:
            assert asking.get(PAGE).status_code == status, email
            assert (f'href="{PAGE}"' in asking.get("/cases").text) == (status == 200)


def test_a_key_is_shown_once_with_a_command_that_records(town):
    with client(town) as asking:
        answer = send(asking, name="shop", scope="events:write")
        key = new_key(answer)
        assert answer.headers["cache-control"] == "no-store"
        assert f"Authorization: Bearer {key}" in seen(answer)
        assert key not in asking.get(PAGE).text
    with town.server.client(key) as shop:
        assert shop.post("/v1/audit-logs", json={"action": "project.created"}).status_code == 201


def test_a_mistake_is_named_at_its_field_and_nothing_typed_is_lost(town):
    with client(town) as asking:
        answer = send(asking, name="kept name", scope="events:read", networks="somewhere")
        assert answer.status_code == 400
        assert "Invalid address or network" in seen(answer)
        assert 'value="kept name"' in answer.text
        assert "A key needs at least one scope" in seen(send(asking, name="none"))


def test_a_rotated_key_stays_until_its_overlap_is_over_and_a_revoked_one_ends(town):
    with client(town) as asking:
        old = new_key(send(asking, name="turning", scope="events:write"))
        new = new_key(send(asking, f"/{public_id(asking, 'turning')}/rotate", overlap="168"))
        assert new != old
        assert seen(asking.get(PAGE)).count("Rotated") == 1
        send(asking, f"/{public_id(asking, 'turning')}/revoke")
        assert "Revoked" in seen(asking.get(PAGE))
    with town.server.client(old) as before, town.server.client(new) as after:
        statuses = lambda: {one.post("/v1/audit-logs", json={"action": "a.b"}).status_code for one in (before, after)}  # noqa: E731
        wait_until(lambda: statuses() == {201, 401})


def test_charlie_gets_nothing_of_acmes_keys(town):
    with client(town) as asking:
        send(asking, name="acmes", scope="events:read")
        key_id = public_id(asking, "acmes")
    with client(town, "charlie@other.example") as charlie:
        assert "acmes" not in charlie.get(PAGE).text
        for act in ("rotate", "revoke"):
            assert send(charlie, f"/{key_id}/{act}", overlap="0").status_code == 404


def test_a_key_is_made_by_page_and_axe_finds_nothing(town, as_person, axe_script):
    page = as_person(ALICE, reduced_motion="reduce")
    page.goto(PAGE)
    page.get_by_role("textbox", name="Name what it is for").fill("deploy bot")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("heading", name="deploy bot is ready")).to_be_visible()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert violations_in_every_look(page, axe_script) == []
