"""The profile page, and the reset of a password by mail: what people do for their own account, by the page alone."""

import re
from email import message_from_bytes, policy

import httpx
import pytest
from playwright.sync_api import expect

from tests.destinations.mail_server import open_mailbox
from tests.fixtures.servers import Starter
from tests.fixtures.waiting import wait_until
from tests.web.axe import violations_in_every_look
from tests.web.conftest import Town
from tests.web.forms import client, seen, token
from tests.web.settling import PASSWORD, settle

PAGE = "/profile"
NEW_PASSWORD = "another horse, another battery"
ALICE, NICO, BOB, JOHN = "alice@acme.com", "nico@acme.com", "bob@acme.com", "john@acme.com"


@pytest.fixture(scope="module")
def mailbox():
    with open_mailbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def town(start_server: Starter, mailbox):
    """A town of its own, since passwords and sessions change here."""
    server = start_server(TALLYSTICK_SMTP_URL=f"smtp://127.0.0.1:{mailbox[1]}")
    people = {ALICE: "owner", NICO: "admin", BOB: "auditor", JOHN: "member"}
    acme_key = settle(server.data_dir, "acme", "Acme", people)
    other_key = settle(server.data_dir, "other", "Other & Sons", {"charlie@other.example": "owner"})
    with server.client(acme_key) as acme, server.client(other_key) as other:
        yield Town(server, acme, other)


def sign_in(town, email, password=PASSWORD) -> httpx.Response:
    return httpx.post(
        f"{town.server.url}/sign-in", data={"email": email, "password": password}, headers={"Origin": town.server.url}
    )


def ask(town, email) -> httpx.Response:
    return httpx.post(f"{town.server.url}/sign-in/reset", data={"email": email}, headers={"Origin": town.server.url})


def test_a_theme_and_a_zone_are_chosen_and_kept_and_axe_finds_nothing(town, as_person, axe_script):
    page = as_person(ALICE, reduced_motion="reduce")
    page.get_by_role("link", name="Profile of").click()
    page.get_by_role("textbox", name="Name").fill("Alice Liddell")
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    page.get_by_label("Appearance").select_option("dark")
    page.get_by_role("button", name="Save profile").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(16, 20, 21)"
    assert "GMT+9" in page.content() or "JST" in page.content() or "+09" in page.content()
    page.get_by_label("Appearance").select_option("system")
    page.get_by_role("button", name="Save profile").click()
    assert violations_in_every_look(page, axe_script) == []
    event = town.event("action:user.updated changes.name.after:Liddell")
    assert (event["actor"]["email"], event["context"]["source"]) == (ALICE, "web")


def test_a_session_is_listed_and_ended_and_the_others_with_it(town):
    cookies = [sign_in(town, NICO).cookies for _ in range(3)]
    one, two, three = (
        httpx.Client(base_url=town.server.url, cookies=given, headers={"Origin": town.server.url}) for given in cookies
    )
    page = one.get(PAGE)
    assert page.text.count("python-httpx") == 3
    first_id = re.search(r"/profile/sessions/(ses_[0-9a-z]+)/end", page.text)[1]
    assert one.post(f"{PAGE}/sessions/{first_id}/end", data={"form_token": token(one)}).status_code == 303
    assert sorted(asking.get(PAGE).status_code for asking in (two, three)) == [200, 303]
    assert one.post(f"{PAGE}/sessions/end", data={"form_token": token(one)}).status_code == 303
    assert [asking.get(PAGE).status_code for asking in (one, two, three)] == [200, 303, 303]
    assert "This session" in seen(one.get(PAGE))


def test_nobody_ends_the_session_of_somebody_else(town):
    with client(town, BOB) as bob, client(town, "charlie@other.example") as charlie:
        town.session(JOHN)
        with client(town, JOHN) as john:
            theirs = sign_in(town, JOHN).cookies
            session_id = re.search(r"/profile/sessions/(ses_[0-9a-z]+)/end", john.get(PAGE).text)[1]
        for asking in (bob, charlie):
            answer = asking.post(f"{PAGE}/sessions/{session_id}/end", data={"form_token": token(asking)})
            assert answer.status_code == 404
        assert httpx.get(f"{town.server.url}{PAGE}", cookies=theirs).status_code == 200


def test_a_password_is_changed_only_with_the_current_one(town):
    with client(town, BOB) as bob:
        elsewhere = sign_in(town, BOB).cookies
        send = lambda **form: bob.post(f"{PAGE}/password", data={"form_token": token(bob)} | form)  # noqa: E731
        refused = send(current="not it at all", password=NEW_PASSWORD)
        assert (refused.status_code, "not your current password" in seen(refused)) == (400, True)
        assert "at least 12 characters" in seen(send(current=PASSWORD, password="short"))
        assert send(current=PASSWORD, password=NEW_PASSWORD).status_code == 303
        assert bob.get(PAGE).status_code == 200
        assert httpx.get(f"{town.server.url}{PAGE}", cookies=elsewhere).status_code == 303
        assert [sign_in(town, BOB, word).status_code for word in (PASSWORD, NEW_PASSWORD)] == [401, 303]


def test_a_forgotten_password_is_reset_by_a_link_that_works_once(town, page, mailbox):
    mailbox[0].messages.clear()
    page.goto(f"{town.server.url}/sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill(JOHN)
    page.get_by_role("button", name="Send link").click()
    expect(page.get_by_role("status")).to_contain_text("a link is on its way")
    [(recipients, content)] = wait_until(lambda: mailbox[0].messages)
    body = message_from_bytes(content, policy=policy.default).get_body(("plain",)).get_content()
    link = re.search(r"http\S+/sign-in/reset/\S+", body)[0]
    assert recipients == [JOHN]
    page.goto(link)
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Set password").click()
    page.get_by_label("Email").fill(JOHN)
    page.get_by_label("Password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Search events")).to_be_visible()
    assert httpx.get(link).status_code == 404
    assert town.event("action:user.password_reset_completed")["actor"]["email"] == JOHN


def test_an_unknown_address_gets_the_same_answer_and_no_mail(town, mailbox):
    mailbox[0].messages.clear()
    known, unknown = ask(town, ALICE), ask(town, "nobody@acme.com")
    wait_until(lambda: mailbox[0].messages)
    strip = lambda answer, email: answer.text.replace(email, "")  # noqa: E731
    assert (known.status_code, strip(known, ALICE)) == (unknown.status_code, strip(unknown, "nobody@acme.com"))
    assert [recipients for recipients, _ in mailbox[0].messages] == [[ALICE]]
