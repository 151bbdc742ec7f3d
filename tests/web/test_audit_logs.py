"""The Audit Logs page: columns, filters, search, chips, counts, paging."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.waiting import wait_until
from tests.web.conftest import ROUTINE, Town
from tests.web.settling import record_views


@pytest.fixture(scope="module", autouse=True)
def _views_off(town: Town) -> Iterator[None]:
    """A list that rests for five seconds, as on a slow machine, adds no event that the next test finds."""
    record_views(town.server.data_dir, "acme", "off")
    yield
    record_views(town.server.data_dir, "acme", "usual")


def test_the_columns_are_those_people_know(alice):
    assert alice.get_by_role("columnheader").all_inner_texts() == [
        "Timestamp UTC", "User", "Action", "Resource", "IP Address", "Status",
    ]  # fmt: skip


def test_a_row_says_who_did_what_and_when(alice):
    alice.goto("/audit-logs?q=deployment.failed&category=deployments")
    cells = alice.locator("#rows tr").first.get_by_role("cell").all_inner_texts()
    assert cells[:2] == ["2024-01-15 14:30:45", "sarah@acme.com"]
    assert cells[2].startswith("deployment.failed")
    assert cells[3:] == ["api-infrastructure", "192.168.1.50", "Failed"]


def test_what_is_typed_filters_at_once_and_stands_in_the_url(alice):
    alice.get_by_label("Search events").press_sequentially("vpc-prod", delay=20)
    expect(alice.locator("#count")).to_have_text(re.compile(rf"\b{ROUTINE} events"))
    expect(alice).to_have_url(re.compile(r"/audit-logs\?q=vpc-prod$"))
    expect(alice.get_by_label("Search events")).to_be_focused()


def test_category_and_status_narrow_the_list_and_combine(alice):
    _open(alice, "Category")
    alice.get_by_label("Deployments").check()
    _rows(alice, 2)
    alice.keyboard.press("Escape")
    _open(alice, "Status")
    alice.get_by_label("Failed").check()
    _rows(alice, 1)
    expect(alice).to_have_url(re.compile(r"\?category=deployments&status=failed$"))
    wait_until(lambda: _chips(alice) == ["Category: Deployments", "Status: Failed"])


def test_all_takes_a_filter_away(alice):
    alice.goto("/audit-logs?status=failed&category=deployments")
    _open(alice, "Status")
    alice.get_by_role("group", name="Status").get_by_label("All").check()
    _rows(alice, 2)
    expect(alice).to_have_url(re.compile(r"\?category=deployments$"))


def test_a_user_can_be_picked_among_those_there_are(alice):
    _open(alice, "User")
    alice.get_by_label("sarah@acme.com").check()
    _rows(alice, 4)
    wait_until(lambda: _chips(alice) == ["User: sarah@acme.com"])


def test_a_user_can_be_typed_with_a_wildcard(alice):
    _open(alice, "User")
    alice.get_by_label("Email, name or ID").fill("sarah@*")
    alice.keyboard.press("Enter")
    _rows(alice, 4)
    expect(alice).to_have_url(re.compile(r"\?user=sarah%40%2A$"))


def test_what_is_typed_in_the_user_menu_narrows_what_it_offers(alice):
    _open(alice, "User")
    alice.get_by_label("Email, name or ID").press_sequentially("sarah")  # three letters may stand in a random id
    offered = alice.locator("#user-choices").get_by_role("checkbox")
    expect(offered).to_have_count(1)
    expect(offered).to_have_attribute("value", "sarah@acme.com")


def test_a_resource_is_found_by_name_and_by_id(alice):
    for value in ("api-infrastructure", "prj_88"):
        alice.goto("/audit-logs")
        _open(alice, "Resource")
        alice.get_by_label("Name or ID", exact=True).fill(value)
        alice.keyboard.press("Enter")
        _rows(alice, 3)


def test_a_custom_range_includes_both_its_days(alice):
    _open(alice, "Date")
    alice.get_by_label("Start").fill("2024-01-15")
    alice.get_by_label("End").fill("2024-01-15")
    alice.keyboard.press("Tab")
    _rows(alice, 4)
    expect(alice).to_have_url(re.compile(r"\?range=custom&start=2024-01-15&end=2024-01-15$"))
    wait_until(lambda: _chips(alice) == ["Date: 2024-01-15 to 2024-01-15"])


def test_today_holds_what_was_recorded_just_now_and_not_the_past(alice, town):
    town.record({"action": "today.happened"})
    alice.goto("/audit-logs?action=today.happened&action=integration.tested")
    expect(alice.locator("#rows")).to_contain_text("integration.tested")
    _open(alice, "Date")
    alice.get_by_label("Today").check()
    expect(alice.locator("#rows")).not_to_contain_text("integration.tested")
    expect(alice.locator("#rows")).to_contain_text("today.happened")


def test_a_chip_takes_its_filter_away_and_the_menus_follow(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com&status=failed")
    alice.get_by_role("link", name="Status: Failed").click()
    _rows(alice, 4)
    expect(alice.locator("#words-status")).to_have_text("Status")
    expect(alice.locator("#words-user")).to_have_text("User: sarah@acme.com")
    alice.get_by_role("link", name="Clear all").click()
    expect(alice).to_have_url(re.compile(r"/audit-logs$"))


def test_back_undoes_a_choice(alice):
    _open(alice, "Status")
    alice.get_by_label("Failed").check()
    expect(alice).to_have_url(re.compile(r"\?status=failed$"))
    alice.go_back()
    expect(alice).to_have_url(re.compile(r"/audit-logs$"))
    expect(alice.locator(".chip")).to_have_count(0)


def test_older_goes_on_where_the_list_ends_without_a_double(alice):
    alice.goto("/audit-logs?q=vpc-prod&limit=50")
    for count in (50, 100, ROUTINE):
        _rows(alice, count)
        if count < ROUTINE:
            alice.get_by_role("link", name="Older").click()
    indexes = alice.locator("#rows tr").evaluate_all("(rows) => rows.map((row) => Number(row.dataset.index))")
    assert indexes == sorted(set(indexes), reverse=True)
    expect(alice.get_by_text("No more events")).to_be_visible()


def test_a_mistake_is_explained_with_its_column_and_the_list_stays(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com")
    alice.get_by_label("Search events").fill("deploy (")
    expect(alice.locator("#mistake")).to_contain_text(re.compile(r"Column \d+: "))
    expect(alice.get_by_label("Search events")).to_have_attribute("aria-invalid", "true")
    _rows(alice, 4)
    alice.get_by_label("Search events").fill("deploy")
    _rows(alice, 2)
    expect(alice.locator("#mistake")).to_be_empty()


def test_what_a_mistake_should_have_been_is_one_click_away(alice):
    alice.get_by_label("Search events").fill("status:fialed deploy")
    alice.get_by_role("link", name="status:failed deploy").click()
    _rows(alice, 1)
    expect(alice.get_by_label("Search events")).to_have_value("status:failed deploy")
    expect(alice.get_by_label("Search events")).to_be_focused()


def test_an_empty_list_says_why(alice):
    alice.get_by_label("Search events").fill("there-is-no-such-thing-anywhere")
    expect(alice.locator("#empty")).to_contain_text(
        re.compile(r"No events match\. .* hide (≈ |at least )?[\d,]+ events\.")
    )
    alice.get_by_role("link", name="Clear search and filters").click()
    expect(alice.locator("#rows tr").first).to_be_visible()


def test_times_are_shown_in_the_zone_that_is_chosen(alice):
    alice.goto("/audit-logs?q=deployment.failed&category=deployments")
    alice.get_by_label("Times in").select_option("Europe/Berlin")
    expect(alice.get_by_role("columnheader").first).to_have_text("Timestamp Europe/Berlin")
    expect(alice.locator("#rows td").first).to_have_text("2024-01-15 15:30:45")
    expect(alice).to_have_url(re.compile("tz=Europe%2FBerlin"))


def test_an_older_answer_never_replaces_a_newer_one(alice):
    held = []
    alice.route("**/rows?q=sarah*", lambda route, _request: held.append(route))
    alice.evaluate("void htmx.ajax('GET', '/audit-logs/rows?q=sarah', {target: '#results', swap: 'outerHTML'})")
    alice.get_by_label("Search events").fill("vpc-prod")
    expect(alice.locator("#count")).to_contain_text(f"{ROUTINE} events")
    with alice.expect_response("**/rows?q=sarah*"):
        held[0].continue_()
    _draw_what_has_arrived(alice)
    expect(alice.locator("#count")).to_contain_text(f"{ROUTINE} events")
    expect(alice).to_have_url(re.compile(r"\?q=vpc-prod$"))


def test_while_typing_only_the_last_answer_is_shown(alice):
    held = []
    alice.route("**/rows?q=sar&*", lambda route, _request: held.append(route))
    box = alice.get_by_label("Search events")
    with alice.expect_request("**/rows?q=sar&*"):
        box.fill("sar")
    box.fill("vpc-prod")
    expect(alice.locator("#count")).to_contain_text(f"{ROUTINE} events")
    assert len(held) == 1
    held[0].abort()
    expect(alice.locator("#trouble")).to_be_hidden()


def _draw_what_has_arrived(page):
    """Return when the browser has done what follows from the answers so far: a later one has come, and was drawn."""
    drawn = "new Promise((drawn) => setTimeout(() => requestAnimationFrame(drawn)))"
    page.evaluate(f"fetch('/healthz').then(() => {drawn})")


def test_rows_that_follow_an_older_list_are_not_hung_under_a_newer_one(alice):
    held = []
    alice.goto("/audit-logs?q=vpc-prod")
    alice.route("**/rows?*cursor=*", lambda route, _request: held.append(route))
    alice.get_by_role("link", name="Older").click()
    alice.get_by_label("Search events").fill("user:sarah@acme.com")
    _rows(alice, 4)
    with alice.expect_response("**/rows?*cursor=*"):
        held[0].continue_()
    _draw_what_has_arrived(alice)
    _rows(alice, 4)


def test_a_server_that_cannot_be_reached_is_said_and_asked_again(alice):
    alice.route("**/rows?*", lambda route: route.abort())
    alice.get_by_label("Search events").fill("deploy -action:audit_log.*")
    expect(alice.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    alice.unroute("**/rows?*")
    alice.get_by_role("button", name="Try again").click()
    expect(alice.get_by_role("alert")).to_be_hidden()
    _rows(alice, 2)


def test_keys_lead_through_the_list(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com")
    alice.keyboard.press("j")
    alice.keyboard.press("j")
    alice.keyboard.press("k")
    alice.keyboard.press("Enter")
    expect(alice.locator("#panel-title")).to_have_text("deployment.failed")
    alice.keyboard.press("Escape")
    expect(alice.locator("#panel .panel")).to_have_count(0)
    expect(alice.locator("#rows tr").first.get_by_role("link")).to_be_focused()
    alice.keyboard.press("/")
    expect(alice.get_by_label("Search events")).to_be_focused()
    alice.keyboard.type("j?l")
    expect(alice.get_by_label("Search events")).to_have_value("j?l")


def test_single_keys_can_be_switched_off(alice):
    alice.keyboard.press("?")
    alice.get_by_label("Use single-key shortcuts on this device").uncheck()
    alice.get_by_role("button", name="Close").click()
    alice.keyboard.press("/")
    expect(alice.get_by_label("Search events")).not_to_be_focused()
    alice.evaluate("localStorage.clear()")


def _open(page: Page, menu: str) -> None:
    page.locator("details.menu > summary", has_text=menu).click()


def _rows(page: Page, count: int) -> None:
    expect(page.locator("#rows tr")).to_have_count(count)


def _chips(page: Page) -> list[str]:
    return [
        f"{chip.locator('.chip-label').inner_text()} {chip.locator('.chip-value').inner_text()}"
        for chip in page.locator(".chip").all()
    ]
