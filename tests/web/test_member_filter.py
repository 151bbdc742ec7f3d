"""The page that limits a member: tried, set and removed by an owner, and obeyed by the member's pages."""

import re
from html import unescape

import pytest
from playwright.sync_api import expect

from tests.fixtures.servers import Starter
from tests.fixtures.waiting import wait_until
from tests.web.axe import violations_in_every_look
from tests.web.conftest import Town
from tests.web.forms import client, token
from tests.web.settling import settle

OWNER, ADMIN, AUDITOR = "alice@acme.com", "nico@acme.com", "audit@acme.com"


@pytest.fixture(scope="module")
def town(start_server: Starter):
    """A town of its own, since a member is limited here."""
    server = start_server()
    key = settle(server.data_dir, "acme", "Acme", {OWNER: "owner", ADMIN: "admin", AUDITOR: "auditor"})
    with server.client(key) as acme:
        events = [{"action": "deployment.failed", "resource": {"type": "project", "id": "prj_88"}}] * 3
        hidden = [{"action": "vault.opened", "actor": {"email": "quokka@acme.com"}}] * 2
        assert acme.post("/v1/audit-logs?wait=searchable", json={"events": events + hidden}).status_code == 201
        yield Town(server, acme, acme)


@pytest.fixture
def path(town):
    """The page of the auditor, as the Members page links to it."""
    shown = client(town, OWNER).get("/members").text
    row = next(row for row in shown.split("<tr>") if AUDITOR in row)
    return re.search(r'href="[^"]*(/members/usr_[0-9a-z]+/filter)"', row)[1]


def send(asking, path, **fields):
    return asking.post(path, data={"form_token": token(asking)} | fields)


def test_an_owner_looks_at_what_a_member_would_see_and_limits_it(town, path):
    owner, auditor = client(town, OWNER), client(town, AUDITOR)
    assert "vault.opened" in auditor.get("/audit-logs?q=").text
    tried = send(owner, path, act="preview", filter="resource:prj_88").text
    assert f"{AUDITOR} would see 3 events" in re.sub(r"</?bdi>", "", tried)
    assert "vault.opened" in auditor.get("/audit-logs?q=").text
    assert send(owner, path, act="set", filter="resource:prj_88").status_code == 303
    wait_until(lambda: "vault.opened" not in auditor.get("/audit-logs?q=").text)
    limited = auditor.get("/audit-logs?q=").text
    assert "deployment.failed" in limited
    assert "resource:prj_88" in limited
    assert "sees only <code>resource:prj_88</code>" in owner.get("/members").text
    assert send(owner, path, act="remove").status_code == 303
    wait_until(lambda: "vault.opened" in auditor.get("/audit-logs?q=").text)


def test_what_cannot_be_a_filter_is_explained_and_stays_in_the_field(town, path):
    refused = send(client(town, OWNER), path, act="preview", filter="deploy <b>")
    assert refused.status_code == 400
    assert 'value="deploy &lt;b&gt;"' in refused.text
    assert "can be written by strangers" in unescape(refused.text)


def test_only_owners_have_the_page(town, path):
    assert client(town, ADMIN).get(path).status_code == 403
    assert path not in client(town, ADMIN).get("/members").text


def test_axe_finds_nothing_on_the_page_with_a_preview(town, path, as_person, axe_script):
    page = as_person(OWNER, reduced_motion="reduce")
    page.goto(path)
    page.get_by_label("Only events of").fill("resource:prj_88")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="would see 3 events")).to_be_visible()
    assert violations_in_every_look(page, axe_script) == []
