"""The Intake rules page: who sees it, what a preview says, how a rule comes into force, all without scripts."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.alerts import changes as alert_rules
from tallystick.alerts.changes import RuleSettings
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tests.fixtures.servers import Starter
from tests.web.axe import violations_in_every_look
from tests.web.conftest import Town
from tests.web.forms import client, seen, token
from tests.web.happenings import routine
from tests.web.settling import settle

PAGE = "/intake-rules"
EMMA, NICO, AUDITOR, MEMBER = "emma@acme.com", "nico@acme.com", "audit@acme.com", "john@acme.com"
VIEWED = {"action": "project.viewed", "actor": {"email": "sarah@acme.com"}}


@pytest.fixture(scope="module")
def town(start_server: Starter):
    """A town of its own, since rules are made here: an organization with two owners, and viewed projects."""
    server = start_server()
    people = {"alice@acme.com": "owner", EMMA: "owner", NICO: "admin", AUDITOR: "auditor", MEMBER: "member"}
    acme_key = settle(server.data_dir, "acme", "Acme", people)
    other_key = settle(server.data_dir, "other", "Other & Sons", {"charlie@other.example": "owner"})
    with server.client(acme_key) as acme, server.client(other_key) as other:
        made = Town(server, acme, other)
        made.record(*routine(20), *[VIEWED] * 40, VIEWED | {"status": "failed"})
        watch_views(server.data_dir)
        yield made


def watch_views(data_dir: Path) -> None:
    """An alert rule of Acme for viewed projects."""
    (place,) = data_dir.glob("*.db")
    database = Database(f"sqlite:///{place}", pool_size=1)
    with database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, "acme").org_id)
        settings = RuleSettings("Views", {"query": "action:project.viewed", "count": 30, "window_seconds": 600})
        alert_rules.create(connection, scope, settings, now=now_us())
    database.close()


def test_owner_admin_and_auditor_see_it_and_a_member_is_not_led_there(town):
    for email, status in (("alice@acme.com", 200), (NICO, 200), (AUDITOR, 200), (MEMBER, 403)):
        with client(town, email) as asking:
            assert asking.get(PAGE).status_code == status, email
            assert ('href="/intake-rules"' in asking.get("/cases").text) == (status == 200)


def test_nobody_but_an_owner_is_offered_a_change(town):
    for email in (NICO, AUDITOR):
        with client(town, email) as asking:
            page = asking.get(PAGE)
            assert "Only an owner can change these rules" in seen(page)
            assert '<form method="post" action="/intake-rules' not in page.text
            fields = {"form_token": token(asking), "query": "action:a.b", "do": "drop"}
            assert asking.post(PAGE, data=fields).status_code == 403


def test_the_preview_of_a_drop_rule_says_what_would_have_missed_what_and_offers_to_keep_for_a_day(town):
    with client(town) as asking:
        said = seen(asking.get(PAGE, params={"query": "action:project.v*", "do": "drop", "days": "1"}))
    assert "this rule would have dropped 40 events" in said
    assert "Alert rules that would not have seen them Views : 40 events" in said
    assert "Keep them for 1 day instead" in said


@pytest.mark.parametrize("typed", [{"query": "deploy"}, {"query": ""}, {"query": "action:a.b", "days": "0"}])
def test_a_rule_that_cannot_be_is_refused_beside_its_form(town, typed):
    with client(town) as asking:
        for answer in (
            asking.get(PAGE, params={"do": "keep", "days": "1", **typed}),
            asking.post(PAGE, data={"form_token": token(asking), "do": "keep", "days": "1", **typed}),
        ):
            assert answer.status_code == 400
            assert 'id="new-problem"' in answer.text


def test_in_a_browser_a_noise_rule_is_previewed_requested_and_confirmed_by_a_second_owner(as_person, axe_script):
    page = as_person(reduced_motion="reduce")
    page.get_by_role("link", name="Intake rules").click()
    page.get_by_label("Events").fill("action:project.viewed")
    page.get_by_label("Days to keep").fill("1")
    page.get_by_role("button", name="Preview rule").click()
    look = page.locator(".look")
    expect(look).to_contain_text("action:project.viewed · Kept for 1 day")
    expect(look).to_contain_text("No events (0 bytes) recorded so far are older than 1 day, and would be deleted.")
    page.get_by_role("button", name="Ask a second owner to confirm").click()
    expect(look).to_contain_text("Waiting for a second owner")
    emma = as_person(EMMA, reduced_motion="reduce")
    emma.goto(PAGE)
    emma.get_by_text("Confirm…").click()
    emma.get_by_role("button", name="Use this list").click()
    expect(emma.locator(".case-list li")).to_contain_text("Kept for 1 day, from")
    emma.goto(f"{PAGE}?query=action:project.v*&do=drop&days=1")
    emma.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert violations_in_every_look(emma, axe_script) == []
