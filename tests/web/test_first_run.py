"""Before the first event the page says how to send one, and becomes the log when it arrives."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.web.axe import violations_in_every_look
from tests.web.settling import settle


@pytest.fixture(scope="module")
def fresh(town):
    """An organization in which nothing happened: its slug, its owner and a key."""
    key = settle(town.server.data_dir, "fresh", "Fresh", {"ann@fresh.example": "owner", "max@fresh.example": "member"})
    return "fresh", "ann@fresh.example", key


@pytest.fixture
def page(browser, town, fresh):
    with browser.new_context(base_url=town.server.url) as context:
        name, value = town.session(fresh[1])
        context.add_cookies([{"name": name, "value": value, "url": town.server.url}])
        yield context.new_page()


def test_a_member_sees_the_log_and_not_how_to_begin(town, fresh):
    name, value = town.session("max@fresh.example")
    text = httpx.get(f"{town.server.url}/audit-logs", cookies={name: value}).text
    assert 'id="rows"' in text


def test_axe_finds_nothing_on_it(page, axe_script):
    page.goto("/audit-logs")
    expect(page.locator("#first-run")).to_be_visible()
    assert violations_in_every_look(page, axe_script) == []


def test_what_it_tells_one_to_send_is_taken_and_turns_it_into_the_log(page, town, fresh):
    page.goto("/audit-logs")
    expect(page.locator("#make-key")).to_contain_text("--org fresh ")
    said = page.locator("#with-curl").inner_text()
    url, body = re.search(r'POST "([^"]+)"', said), re.search(r"-d '(\{.*\})'", said, re.DOTALL)
    assert url is not None
    assert body is not None
    headers = {"Authorization": f"Bearer {fresh[2]}", "Content-Type": "application/json"}
    assert httpx.post(url[1], content=body[1], headers=headers).status_code == 201
    expect(page.locator("#rows tr").first).to_be_visible()
    expect(page.locator("#rows")).to_contain_text("project.created")


def test_an_organization_with_events_has_the_log(town):
    name, value = town.session("alice@acme.com")
    assert "first-run" not in httpx.get(f"{town.server.url}/audit-logs", cookies={name: value}).text
