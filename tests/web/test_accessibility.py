"""axe finds nothing on any page, in light and dark, at a desk and on a phone."""

import pytest
from playwright.sync_api import Page, expect

from tests.web.axe import violations

SIZES = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(params=["light", "dark"])
def theme(request):
    return request.param


@pytest.mark.parametrize("size", SIZES)
def test_audit_logs(as_person, town, axe_script, theme, size):
    page = as_person(color_scheme=theme, viewport=SIZES[size], reduced_motion="reduce")
    page.goto("/audit-logs?user=sarah%40acme.com&range=custom&start=2000-01-01&tz=Europe%2FBerlin")
    if size == "phone":  # there the panel hides the list
        assert violations(page, axe_script) == []
    page.locator("#rows tr").first.locator(".c-time").click()
    expect(page.locator("#panel-title")).to_be_visible()
    assert violations(page, axe_script) == []


def test_menus_mistakes_live_and_help(as_person, axe_script, theme):
    page = as_person(color_scheme=theme, reduced_motion="reduce")
    _open(page, "User")
    expect(page.get_by_label("sarah@acme.com")).to_be_visible()
    assert violations(page, axe_script) == []
    page.keyboard.press("Escape")
    page.get_by_label("Search events").fill("status:")
    expect(page.locator("#mistake p")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert violations(page, axe_script) == []
    page.locator("h1").click()
    page.keyboard.press("?")
    assert violations(page, axe_script) == []


def test_every_menu_around_the_list(as_person, axe_script, theme):
    page = as_person(color_scheme=theme, reduced_motion="reduce")
    expect(page.locator(".bars canvas")).to_be_visible()
    page.get_by_label("Search events").press_sequentially("user:s")
    expect(page.locator("#offers [role=option]").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.evaluate("for (const menu of document.querySelectorAll('details.menu')) menu.open = true")
    expect(page.locator(".top-value").first).to_be_visible()
    expect(page.locator("form.save")).to_be_visible()
    assert violations(page, axe_script) == []


def test_sign_in_and_errors(browser, town, axe_script, theme):
    with browser.new_context(base_url=town.server.url, color_scheme=theme) as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("E-mail").fill("nobody@acme.com")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert violations(page, axe_script) == []
        page.goto("/set-up/there-is-no-such-link")
        expect(page.get_by_role("heading")).to_have_text("There is nothing here")
        assert violations(page, axe_script) == []


def _open(page: Page, menu: str) -> None:
    page.locator("details.menu > summary", has_text=menu).click()
    expect(page.locator("details.menu[open]")).to_have_count(1)
