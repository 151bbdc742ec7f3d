"""The frame around the pages: navigation, account menu, and switching between organizations."""

import httpx
import pytest
from playwright.sync_api import expect

from tallystick.access import organizations, passwords, people
from tallystick.access.scopes import operator_scope
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tests.web.axe import violations_in_every_look
from tests.web.forms import client, token
from tests.web.settling import PASSWORD

BOTH = "both@acme.com"


@pytest.fixture(scope="module")
def both(town):
    """Somebody who belongs to Acme and to the other organization."""
    (place,) = town.server.data_dir.glob("*.db")
    database = Database(f"sqlite:///{place}", pool_size=1)
    kept = passwords.hash_password(PASSWORD)
    with database.write() as connection:
        for slug, password in (("acme", kept), ("other", None)):
            scope = operator_scope(organizations.by_slug(connection, slug).org_id)
            people.create(connection, scope, BOTH, "auditor", password, now=now_us())
    database.close()
    return BOTH


def test_every_page_of_the_navigation_is_there_and_marked(as_person):
    page = as_person()
    links = page.get_by_role("navigation", name="Settings").get_by_role("link")
    for path, words in [(link.get_attribute("href"), link.inner_text()) for link in links.all()]:
        page.goto(path)
        expect(page.locator("h1").first).to_have_text(words)
        expect(page.get_by_role("navigation", name="Settings").locator("[aria-current=page]")).to_have_text(words)


@pytest.mark.parametrize("path", ["/audit-logs", "/compliance", "/integrity"])
def test_on_a_phone_the_page_where_one_is_stands_in_sight_in_the_navigation(as_person, path):
    page = as_person(viewport={"width": 390, "height": 844})
    page.goto(path)
    marked = page.get_by_role("navigation", name="Settings").locator("[aria-current=page]")
    expect(marked).to_be_in_viewport(ratio=0.95)


def test_what_is_printed_has_no_buttons(as_person):
    page = as_person()
    page.emulate_media(media="print")
    for name in ("Schedule Export", "Create alert", "Live", "Export"):
        expect(page.get_by_text(name, exact=True).first).to_be_hidden()


def test_a_person_of_two_organizations_goes_on_in_the_other(browser, town, both):
    with browser.new_context(base_url=town.server.url) as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("Email").fill(both)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        before = page.locator(".organization").inner_text()
        after = {"Acme": "Other & Sons", "Other & Sons": "Acme"}[before]
        page.locator(".switch > summary").click()
        page.get_by_role("button", name=after).click()
        expect(page.locator(".organization")).to_have_text(after)
        name = {"Acme": "zoo.visited", "Other & Sons": "theirs"}[after]
        page.goto(f"/audit-logs?q={name}")
        expect(page.locator("#rows tr").first).to_be_visible()
        page.goto("/audit-logs?q=action:user.login+organization_switch")
        expect(page.locator("#rows tr").first).to_contain_text(both)


def test_nobody_goes_on_where_they_do_not_belong(town):
    with client(town) as alice:
        form = {"form_token": token(alice), "organization": "org_00000000000000000000000000"}
        for organization in (form["organization"], "nonsense", ""):
            assert alice.post("/organization", data=form | {"organization": organization}).status_code == 404
        assert alice.post("/organization", data={"organization": "org_x"}).status_code == 403
        assert alice.post("/organization", data=form, headers={"Origin": "https://evil.example"}).status_code == 403
        assert alice.get("/cases").status_code == 200
        assert "switch" not in alice.get("/cases").text


def test_axe_finds_nothing_in_the_open_switch_and_nothing_runs_over(browser, town, both, axe_script):
    with browser.new_context(base_url=town.server.url) as context:
        name, value = town.session(both)
        context.add_cookies([{"name": name, "value": value, "url": town.server.url}])
        page = context.new_page()
        page.goto("/cases")
        page.locator(".switch > summary").click()
        assert violations_in_every_look(page, axe_script) == []


def test_after_the_sign_in_one_is_only_led_to_pages_of_ours(town):
    form, headers = {"email": "alice@acme.com", "password": PASSWORD}, {"Origin": town.server.url}
    for wanted, led in {
        "/cases": "/cases",
        "/cases/cas_1?tz=UTC": "/cases/cas_1?tz=UTC",
        "/casesx": "/audit-logs",
        "//evil.example/cases": "/audit-logs",
        "https://evil.example": "/audit-logs",
    }.items():
        answer = httpx.post(f"{town.server.url}/sign-in", data=form | {"next": wanted}, headers=headers)
        assert answer.headers["location"] == led
