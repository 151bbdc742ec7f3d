"""Access to pages: other organizations, members, and markup in events."""

import json
import re
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import expect

from tallystick.display_text import display_line
from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.web.happenings import ZOO


def test_charlie_sees_nothing_of_acme(as_person):
    charlie = as_person("charlie@other.example")
    expect(charlie.locator(".organization")).to_have_text("Other & Sons")
    expect(charlie.locator("#rows")).to_contain_text("theirs")
    for hidden in ("sarah@acme.com", "api-infrastructure", "zoo.visited"):
        charlie.get_by_label("Search events").fill(hidden)
        expect(charlie.locator("#empty")).to_contain_text("No events match.")


def test_charlie_gets_nothing_by_an_events_url(town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    for headers in ({}, {"HX-Request": "true", "HX-Target": "panel"}):
        answer = _get(town, "charlie@other.example", f"/audit-logs/{event['id']}", headers)
        unknown = _get(town, "charlie@other.example", "/audit-logs/evt_00000000000000000000000000", headers)
        assert answer.text == unknown.text
        assert answer.status_code == unknown.status_code
        assert "sarah" not in answer.text


def test_charlie_is_offered_only_the_own_users(town):
    assert "sarah@acme.com" not in _get(town, "charlie@other.example", "/audit-logs/suggest/user").text


def test_charlies_live_view_has_only_the_own_events(town):
    with (
        _client(town, "charlie@other.example") as client,
        client.stream("GET", "/audit-logs/live?after=-1") as stream,
    ):
        for line in stream.iter_lines():
            if line.startswith("data:") and "theirs" in line:
                assert "sarah@acme.com" not in line
                break


def test_a_member_sees_only_what_it_did(as_person, town):
    john = as_person("john@example.com")
    john.get_by_label("Search events").fill("deployment")
    expect(john.locator("#empty")).to_contain_text("No events match.")
    john.get_by_label("Search events").fill("vpc-prod")
    expect(john.locator("#rows tr").first).to_contain_text("john@example.com")
    event = town.event("action:deployment.failed user:sarah@acme.com")
    assert _get(town, "john@example.com", f"/audit-logs/{event['id']}").status_code == 404


@pytest.mark.parametrize("path", ["/audit-logs", "/audit-logs/rows", "/audit-logs/suggest/user", "/audit-logs/evt_x"])
def test_nothing_is_shown_without_a_session(town, path):
    answer = httpx.get(town.server.url + path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


def test_markup_in_every_field_is_shown_as_text(alice):
    alice.goto("/audit-logs?q=action:zoo.visited")
    expect(alice.locator("#rows tr")).to_have_count(len(ZOO))
    assert alice.locator("#rows td.c-user").all_inner_texts()[::-1] == [_seen(animal) for animal in ZOO]
    for place in range(len(ZOO)):
        alice.locator("#rows tr").nth(place).locator(".c-time").click()
        animal = ZOO[len(ZOO) - 1 - place]
        expect(alice.locator("#panel .facts dd").filter(has_text=_seen(animal)).first).to_be_visible()
        expect(alice.locator("#panel ins").first).to_have_text(display_line(json.dumps(animal, ensure_ascii=False)))
    assert (
        alice.locator("#panel img, #panel svg, #panel script, #panel b, #rows img, #rows svg, #rows script").count()
        == 0
    )
    assert alice.evaluate("window.bitten") is None


def test_markup_in_filters_and_search_is_shown_as_text(alice):
    alice.goto("/audit-logs?" + urlencode([(name, animal) for name in ("user", "resource") for animal in ZOO]))
    shown = alice.locator(".chip-value").all_inner_texts()
    assert shown == [_seen(animal) for animal in ZOO] * 2
    alice.locator("details.menu > summary", has_text="User").click()
    expect(alice.locator("#user-choices").get_by_role("checkbox")).to_have_count(len(ZOO))
    for animal in ZOO[:4]:
        with alice.expect_response("**/audit-logs/rows?*"):
            alice.get_by_label("Search events").fill(animal)
    assert alice.evaluate("window.bitten") is None


def test_markup_arrives_live_as_text(alice, town):
    alice.get_by_role("button", name="Live").click()
    expect(alice.locator("#live-words")).to_have_text("New events appear here")
    town.record(
        *({"action": "live.zoo", "description": animal, "actor": {"type": "user", "name": animal}} for animal in ZOO)
    )
    expect(alice.locator("#rows tr", has_text="live.zoo")).to_have_count(len(ZOO))
    assert alice.evaluate("window.bitten") is None


@pytest.mark.parametrize(
    "path", ["/audit-logs", "/audit-logs/rows", "/audit-logs/evt_00000000000000000000000000", "/sign-in"]
)
def test_every_page_allows_nothing_inline_and_nothing_from_elsewhere(town, path):
    headers = _get(town, "alice@acme.com", path).headers
    policy = headers["content-security-policy"]
    assert re.search(r"default-src 'self'; script-src 'self'; style-src 'self';", policy)
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_an_unknown_address_is_a_page_for_people_and_a_document_for_programs(town):
    page = _get(town, "alice@acme.com", "/nowhere", {"Accept": "text/html,*/*"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Page not found" in page.text
    for path, accept in (("/nowhere", "*/*"), ("/v1/nowhere", "text/html")):
        answer = _get(town, "alice@acme.com", path, {"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_assets_may_be_kept_for_good_and_a_folder_is_not_listed(town):
    css = re.search(r'href="(/static/[^"]+\.css)"', _get(town, "alice@acme.com", "/audit-logs").text)
    assert css is not None
    answer = httpx.get(town.server.url + css[1])
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in (css[1].rsplit("/", 1)[0] + "/", css[1] + "/../../routes.py", "/static/../routes.py"):
        assert httpx.get(town.server.url + path).status_code == 404


def _seen(text: str) -> str:
    """What a person sees of a text: the browser draws no markup of ours, and cuts nothing but white space."""
    return display_line(text)


def _client(town, email: str) -> httpx.Client:
    name, value = town.session(email)
    return httpx.Client(base_url=town.server.url, cookies={name: value}, timeout=PATIENCE_SECONDS)


def _get(town, email: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    with _client(town, email) as client:
        return client.get(path, headers=headers)
