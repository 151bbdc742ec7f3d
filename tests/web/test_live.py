"""Live: new events appear without a reload, pause holds them back, nothing is missed and nothing doubled."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.web.settling import PASSWORD, settle


@pytest.fixture(scope="module", autouse=True)
def views_unrecorded(town):
    """What Alice looks at is not recorded: these tests count what arrives."""
    town.server.command("org", "views", "acme", "off")
    yield
    town.server.command("org", "views", "acme", "usual")


def test_a_new_event_appears_without_a_reload(alice, town):
    _live(alice)
    alice.evaluate("window.same = true")
    (event,) = town.record({"action": "live.happened"})
    expect(alice.locator("#rows tr").first).to_have_attribute("data-index", str(event["index"]))
    expect(alice.locator("#rows tr").first).to_contain_text("live.happened")
    assert alice.evaluate("window.same") is True


def test_pause_freezes_the_view_and_counts_and_resume_shows(alice, town):
    _live(alice)
    alice.keyboard.press("Space")
    before = alice.locator("#rows").inner_text()
    town.record(*({"action": f"live.paused_{number}"} for number in range(3)))
    expect(alice.locator("#live-words")).to_have_text("Paused · 3 new events waiting")
    assert alice.locator("#rows").inner_text() == before
    alice.get_by_role("button", name="Resume").click()
    expect(alice.locator("#rows tr").first).to_contain_text("live.paused_2")
    expect(alice.locator("#rows")).to_contain_text("live.paused_0")


def test_while_somebody_reads_further_down_the_list_stays_and_new_events_are_counted(alice, town):
    town.record(*({"action": "live.filler", "description": f"filler {number}"} for number in range(50)))
    _live(alice)
    expect(alice.locator("#rows tr")).to_have_count(50)
    alice.locator("#list").evaluate("(list) => { list.scrollTop = 400; }")
    first = alice.locator("#rows tr").first.inner_text()
    town.record(*({"action": "live.above", "description": f"above {number}"} for number in range(3)))
    expect(alice.get_by_role("button", name="3 new ↑")).to_be_visible()
    assert alice.locator("#rows tr").first.inner_text() == first
    assert alice.locator("#list").evaluate("(list) => list.scrollTop") == 400
    alice.get_by_role("button", name="3 new ↑").click()
    expect(alice.locator("#rows tr").first).to_contain_text("live.above")
    expect(alice.locator("#live-new")).to_be_hidden()


def test_the_count_is_exact_also_beyond_what_can_be_shown(alice, town):
    _live(alice)
    alice.keyboard.press("Space")
    for _ in range(2):
        town.record(*({"action": "live.many", "description": f"many {number}"} for number in range(800)))
    expect(alice.locator("#live-words")).to_have_text("Paused · 1,600 new events waiting")
    alice.get_by_role("button", name="Resume").click()
    expect(alice.locator("#rows tr")).to_have_count(500)
    expect(alice.locator("#rows tr").first).to_contain_text("many 799")
    expect(alice.locator("#count-new")).to_contain_text("1,600 new events")
    indexes = alice.locator("#rows tr").evaluate_all("(rows) => rows.map((row) => Number(row.dataset.index))")
    assert indexes == list(range(indexes[0], indexes[0] - 500, -1))


def test_filters_apply_to_what_arrives(alice, town):
    alice.goto("/audit-logs?status=failed&live=1")
    expect(alice.locator("#live-words")).to_have_text("New events appear here")
    town.record({"action": "live.good"}, {"action": "live.bad", "status": "failed"})
    expect(alice.locator("#rows tr").first).to_contain_text("live.bad")
    expect(alice.locator("#rows")).not_to_contain_text("live.good")


def test_a_search_while_live_goes_on_live(alice, town):
    _live(alice)
    alice.get_by_label("Search events").fill("needle-in-live")
    expect(alice.locator("#empty")).to_be_visible()
    town.record({"action": "live.other"}, {"action": "live.found", "description": "needle-in-live"})
    expect(alice.locator("#rows tr")).to_have_count(1)
    expect(alice.locator("#rows")).to_contain_text("live.found")
    expect(alice).to_have_url(re.compile("live=1"))


def test_between_list_and_live_nothing_is_missed_or_doubled(alice, town):
    word = "seamless-7f3a"
    total = 60
    sent = []
    alice.goto(f"/audit-logs?q={word}")
    for number in range(total):
        sent += town.acme.post(
            "/v1/audit-logs", json={"action": "live.flow", "description": f"{word} {number}"}
        ).json()["events"]
        if number == total // 3:
            alice.keyboard.press("l")
        if number == 2 * total // 3:
            alice.keyboard.press("Space")
    alice.keyboard.press("Space")
    expect(alice.locator("#rows tr")).to_have_count(total)
    shown = alice.locator("#rows tr").evaluate_all("(rows) => rows.map((row) => Number(row.dataset.index))")
    assert sorted(shown) == sorted(one["index"] for one in sent)


def test_more_than_fits_is_cut_and_said(alice, town):
    _live(alice)
    for _ in range(3):
        town.record(*({"action": "live.burst"} for _ in range(200)))
    expect(alice.locator("#rows tr")).to_have_count(500)
    expect(alice.locator("#more")).to_contain_text("Live shows the newest 500 events.")
    expect(alice.locator("#count-new")).to_contain_text("600 new events")
    alice.keyboard.press("l")
    expect(alice.locator("#rows tr")).to_have_count(50)
    expect(alice.get_by_role("link", name="Older")).to_be_visible()


def test_a_lost_connection_is_said_and_goes_on_where_it_stopped(browser, start_server):
    server = start_server()
    key = settle(server.data_dir, "acme", "Acme", {"alice@acme.com": "owner"})
    with server.client(key) as client:
        _record(client, "live.before")
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("Email").fill("alice@acme.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        _live(page)
        server.kill()
        expect(page.locator("#live-words")).to_contain_text("Connection lost, reconnecting")
        server.start()
        with server.client(key) as client:
            _record(client, "live.meanwhile")
            expect(page.locator("#live-words")).to_have_text("New events appear here")
            _record(client, "live.afterwards")
        expect(page.locator("#rows tr").first).to_contain_text("live.afterwards")
        expect(page.locator("#rows tr", has_text="live.meanwhile")).to_have_count(1)


def test_a_live_view_without_a_session_ends_with_the_reason(town):
    assert "event: signed-out" in httpx.get(f"{town.server.url}/audit-logs/live?after=0").text


def _live(page: Page) -> None:
    page.get_by_role("button", name="Live").click()
    expect(page.locator("#live-words")).to_have_text("New events appear here")


def _record(client: httpx.Client, action: str) -> None:
    assert client.post("/v1/audit-logs?wait=searchable", json={"action": action}).status_code == 201
