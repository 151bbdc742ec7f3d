"""axe finds nothing on any page, in light and dark, at a desk and on a phone."""

import pytest
from playwright.sync_api import Page, expect

from tests.web.axe import SIZES, violations_in_every_look


@pytest.mark.parametrize("size", SIZES)
def test_audit_logs(as_person, axe_script, size):
    page = as_person(viewport=SIZES[size], reduced_motion="reduce")
    page.goto("/audit-logs?user=sarah%40acme.com&range=custom&start=2000-01-01&tz=Europe%2FBerlin")
    if size == "phone":  # there the panel hides the list
        assert violations_in_every_look(page, axe_script, size) == []
    page.locator("#rows tr").first.locator(".c-time").click()
    expect(page.locator("#panel-title")).to_be_visible()
    assert violations_in_every_look(page, axe_script, size) == []


def test_menus_mistakes_live_and_help(as_person, axe_script):
    page = as_person(reduced_motion="reduce")
    _open(page, "User")
    expect(page.get_by_label("sarah@acme.com")).to_be_visible()
    assert violations_in_every_look(page, axe_script, "desk") == []
    page.keyboard.press("Escape")
    page.get_by_label("Search events").fill("status:")
    page.keyboard.press("Enter")
    expect(page.locator("#mistake p")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert violations_in_every_look(page, axe_script, "desk") == []
    page.locator("h1").click()
    page.keyboard.press("?")
    assert violations_in_every_look(page, axe_script, "desk") == []


def test_every_menu_around_the_list(as_person, axe_script):
    page = as_person(reduced_motion="reduce")
    expect(page.locator(".bars canvas")).to_be_visible()
    page.get_by_label("Search events").press_sequentially("user:s")
    expect(page.locator("#offers [role=option]").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.evaluate("for (const menu of document.querySelectorAll('details.menu')) menu.open = true")
    expect(page.locator(".top-value").first).to_be_visible()
    expect(page.locator("form.save")).to_be_visible()
    assert violations_in_every_look(page, axe_script, "desk", may_run_over=True) == []


def test_sign_in_and_errors(browser, town, axe_script):
    with browser.new_context(base_url=town.server.url) as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("Email").fill("nobody@acme.com")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert violations_in_every_look(page, axe_script) == []
        page.goto("/set-up/there-is-no-such-link")
        expect(page.get_by_role("heading")).to_have_text("Page not found")
        assert violations_in_every_look(page, axe_script) == []


def _open(page: Page, menu: str) -> None:
    page.locator("details.menu > summary", has_text=menu).click()
    expect(page.locator("details.menu[open]")).to_have_count(1)
