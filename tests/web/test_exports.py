"""The page Exports and the menu that leads there."""

import pytest
from playwright.sync_api import expect

from tests.fixtures.waiting import wait_until
from tests.web import axe
from tests.web.forms import client, seen, token

PAGE = "/exports"


@pytest.fixture
def alice_asks(town):
    with client(town) as asking:
        yield asking


@pytest.fixture
def charlie_asks(town):
    with client(town, "charlie@other.example") as asking:
        yield asking


def ask(asking, kind: str = "csv", query: str = "status=failed") -> str:
    """Export a list; the address of the file when it is ready."""
    before = set(takes(asking))
    form = {"form_token": token(asking), "format": kind, "query": query}
    asked = asking.post(PAGE, data=form)
    assert (asked.status_code, asked.headers["location"]) == (303, PAGE)
    (new,) = wait_until(lambda: set(takes(asking)) - before)
    return new


def takes(asking) -> list[str]:
    return [piece.partition('"')[0] for piece in asking.get(PAGE).text.split('href="') if "/download" in piece[:60]]


def test_a_list_is_exported_and_taken(alice_asks, town):
    file = alice_asks.get(ask(alice_asks, "csv", "user=sarah%40acme.com"))
    assert file.headers["content-disposition"].startswith("attachment;")
    rows = file.text.splitlines()
    assert rows[0].startswith("timestamp,user_email")
    assert all("sarah@acme.com" in row for row in rows[1:])
    page = seen(alice_asks.get(PAGE))
    assert "User: sarah@acme.com" in page
    assert "requested by alice@acme.com" in page
    assert "SHA-256" in page


def test_a_member_exports_the_own_activity_alone(town):
    with client(town, "john@example.com") as john:
        rows = john.get(ask(john, "ndjson", "")).text.splitlines()
        assert rows
        assert all("john@example.com" in row for row in rows)
        assert "Files you exported" in seen(john.get(PAGE))


def test_nobody_else_sees_it_or_takes_it(alice_asks, charlie_asks, town):
    path = ask(alice_asks)
    with client(town, "john@example.com") as john:
        for other in (charlie_asks, john):
            assert other.get(path).status_code == 404
            assert path not in other.get(PAGE).text
            answer = other.post(path.removesuffix("/download"), data={"form_token": token(other), "act": "end"})
            assert answer.status_code == 404
    assert alice_asks.get(path).status_code == 200


def test_a_form_from_elsewhere_does_nothing(alice_asks):
    path = ask(alice_asks)
    assert alice_asks.post(PAGE, data={"format": "csv"}).status_code == 403
    assert alice_asks.post(path.removesuffix("/download"), data={"act": "end"}).status_code == 403
    assert alice_asks.get(path).status_code == 200


def test_it_is_deleted_and_the_list_says_so(alice_asks):
    path = ask(alice_asks)
    form = {"form_token": token(alice_asks), "act": "end"}
    assert alice_asks.post(path.removesuffix("/download"), data=form).status_code == 303
    assert alice_asks.get(path).status_code == 404
    assert path not in alice_asks.get(PAGE).text
    assert "Deleted" in seen(alice_asks.get(PAGE))


def test_a_format_that_there_is_not_is_said(alice_asks):
    form = {"form_token": token(alice_asks), "format": "xml", "query": ""}
    assert alice_asks.post(PAGE, data=form).status_code == 400


def test_the_menu_exports_what_the_list_shows_now(alice, axe_script):
    alice.get_by_label("Search events").fill("deployment.failed")
    alice.wait_for_url("**q=deployment.failed*")
    alice.locator("#export-menu > summary").click()
    assert axe.violations(alice, axe_script) == []
    alice.get_by_role("button", name="NDJSON").click()
    expect(alice.locator("#exports li").first).to_contain_text("Search: deployment.failed")
    expect(alice.locator("#exports li").first).to_contain_text("Ready")
    assert axe.violations(alice, axe_script) == []
    with alice.expect_download() as taken:
        alice.locator("#exports li").first.get_by_role("link", name="Download").click()
    assert taken.value.suggested_filename.endswith(".ndjson")
