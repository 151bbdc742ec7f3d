"""Scheduling an export in the pages: the form, the list, and what one does with it."""

import re

import pytest
from playwright.sync_api import expect

from tests.web import axe
from tests.web.forms import client, seen, token

PAGE, FORM = "/exports", "/exports/schedules"
OUTSIDER = "auditor@outside.example"


@pytest.fixture
def alice_asks(town):
    with client(town) as asking:
        yield asking


def make(asking, **more) -> str:
    """Schedule an export; its id."""
    form = {
        "form_token": token(asking), "query": "status=failed&range=7d", "name": "Nightly", "frequency": "daily",
        "at": "07:30", "weekday": "monday", "day": "1", "zone": "Europe/Berlin", "format": "csv", "mode": "new",
        "recipients": "alice@acme.com",
    } | more  # fmt: skip
    answer = asking.post(FORM, data=form)
    assert answer.status_code == 303, seen(answer)
    return answer.headers["location"].partition("#")[2]


def act(asking, public_id: str, what: str, **more):
    return asking.post(f"{FORM}/{public_id}", data={"form_token": token(asking), "act": what} | more)


def entry(asking, public_id: str) -> str:
    """The text of one in the list; empty when it is not there."""
    found = re.search(rf'<li id="{public_id}">(.*?)</li>', asking.get(PAGE).text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split()) if found else ""


def test_one_is_scheduled_and_the_list_says_it_in_words(alice_asks):
    public_id = make(alice_asks)
    said = entry(alice_asks, public_id)
    for words in ("Nightly", "CSV", "each day at 07:30 (Europe/Berlin)", "Status: failed", "to alice@acme.com",
                  "Not run yet", "Run now", "Pause"):  # fmt: skip
        assert words in said
    assert re.search(r"next \d{4}-\d\d-\d\d 07:30:00 CES?T", said)


def test_the_form_shows_what_the_list_was_filtered_by_without_its_dates(alice_asks):
    page = seen(alice_asks.get(f"{FORM}/new?status=failed&range=7d&q=deploy"))
    assert "Search: deploy" in page
    assert "Last 7 days" not in page
    assert "Email is not configured" in page


def test_it_is_paused_resumed_changed_and_deleted(alice_asks):
    public_id = make(alice_asks)
    assert act(alice_asks, public_id, "pause").status_code == 303
    assert "paused" in entry(alice_asks, public_id)
    assert act(alice_asks, public_id, "resume").status_code == 303
    assert "next 2" in entry(alice_asks, public_id)
    edit = alice_asks.get(f"{FORM}/{public_id}")
    assert 'value="Nightly"' in edit.text
    changed = {
        "name": "Weekly", "frequency": "weekly", "weekday": "friday", "at": "08:00", "day": "1", "zone": "UTC",
        "format": "json", "recipients": "alice@acme.com",
    }  # fmt: skip
    assert act(alice_asks, public_id, "change", **changed).status_code == 303
    said = entry(alice_asks, public_id)
    assert "each Friday at 08:00 (UTC)" in said
    assert "Status: failed" in said
    assert act(alice_asks, public_id, "delete").status_code == 303
    assert entry(alice_asks, public_id) == ""


def test_a_mistake_is_said_and_what_was_typed_stays(alice_asks):
    form = {
        "form_token": token(alice_asks), "frequency": "daily", "at": "07:30", "weekday": "monday", "day": "1",
        "zone": "Mars/Olympus", "format": "csv", "mode": "new", "recipients": "alice@acme.com", "name": "<b>Mine</b>",
    }  # fmt: skip
    answer = alice_asks.post(FORM, data=form)
    assert answer.status_code == 400
    assert "There is no time zone" in seen(answer)
    assert "&lt;b&gt;Mine&lt;/b&gt;" in answer.text


def test_a_member_schedules_to_the_own_address_alone(town):
    with client(town, "john@example.com") as john:
        public_id = make(john, recipients="john@example.com")
        assert "john@example.com" in entry(john, public_id)
        form = {
            "form_token": token(john), "frequency": "daily", "at": "07:30", "weekday": "monday", "day": "1",
            "zone": "UTC", "format": "csv", "mode": "new", "recipients": OUTSIDER,
        }  # fmt: skip
        refused = john.post(FORM, data=form)
        assert refused.status_code == 403
        assert "only to your own address" in seen(refused)


def test_a_form_from_elsewhere_does_nothing(alice_asks):
    public_id = make(alice_asks)
    assert alice_asks.post(FORM, data={"frequency": "daily"}).status_code == 403
    for name in ("delete", "pause", "run", "consent"):
        assert alice_asks.post(f"{FORM}/{public_id}", data={"act": name}).status_code == 403
    assert "next 2" in entry(alice_asks, public_id)


def test_nobody_else_sees_or_changes_it(alice_asks, town):
    public_id = make(alice_asks)
    for email in ("charlie@other.example", "john@example.com"):
        with client(town, email) as other:
            assert entry(other, public_id) == ""
            assert other.get(f"{FORM}/{public_id}").status_code == 404
            for name in ("delete", "pause", "run", "consent", "change"):
                assert act(other, public_id, name).status_code == 404
    assert "next 2" in entry(alice_asks, public_id)


def test_from_the_list_to_a_schedule_in_a_browser(alice, axe_script):
    alice.get_by_label("Search events").fill("deployment.failed")
    alice.wait_for_url("**q=deployment.failed*")
    alice.get_by_role("link", name="Schedule Export").click()
    expect(alice.get_by_text("Search: deployment.failed")).to_be_visible()
    expect(alice.get_by_label("Weekday")).to_be_hidden()
    alice.get_by_label("Frequency").select_option("weekly")
    expect(alice.get_by_label("Weekday")).to_be_visible()
    assert axe.violations(alice, axe_script) == []
    alice.get_by_label("Name").fill("Failures")
    alice.get_by_label("Email recipients").fill(f"alice@acme.com\n{OUTSIDER}")
    alice.get_by_role("button", name="Schedule").click()
    made = alice.locator("#scheduled li").filter(has_text="Failures")
    expect(made).to_contain_text(OUTSIDER)
    assert axe.violations(alice, axe_script) == []
    made.get_by_role("button", name="Run now Failures").click()
    made = alice.locator("#scheduled li").filter(has_text="Failures")
    expect(made).to_contain_text("email is not configured")
