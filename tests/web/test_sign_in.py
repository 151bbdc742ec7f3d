"""Signing in, out, and setting up."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.fixtures.waiting import wait_until
from tests.web.settling import PASSWORD, settle


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_then_to_where_it_wanted(page, town):
    page.goto(f"{town.server.url}/audit-logs?q=deploy&status=failed")
    page.get_by_label("Email").fill("alice@acme.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{town.server.url}/audit-logs?q=deploy&status=failed")
    expect(page.get_by_label("Search events")).to_have_value("deploy")


def test_a_wrong_password_and_an_unknown_account_get_the_same_words(page, town):
    said = []
    for email in ("alice@acme.com", "nobody@acme.com"):
        page.goto(f"{town.server.url}/sign-in")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill("not the password at all")
        page.get_by_role("button", name="Sign in").click()
        said.append(page.get_by_role("alert").inner_text())
        expect(page.get_by_label("Email")).to_have_value(email)
    assert said[0] == said[1] != ""


def test_after_signing_out_the_page_is_closed(page, town):
    page.goto(f"{town.server.url}/sign-in")
    page.get_by_label("Email").fill("alice@acme.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{town.server.url}/sign-in")
    page.goto(f"{town.server.url}/audit-logs")
    expect(page).to_have_url(f"{town.server.url}/sign-in")


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "/audit-logs@evil.example"]
)
def test_the_sign_in_leads_only_to_pages_of_ours(town, wanted):
    answer = _post(town, "/sign-in", {"email": "alice@acme.com", "password": PASSWORD, "next": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit-logs")


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(town):
    answer = _post(town, "/sign-in", {"email": "alice@acme.com", "password": PASSWORD})
    session, device = (_parts(cookie) for cookie in answer.headers.get_list("set-cookie"))
    assert session[0].startswith("tallystick_sid=")
    assert {"httponly", "samesite=lax", "path=/"} <= set(session)
    assert device[0].startswith("tallystick_device=")
    assert {"httponly", "samesite=strict", "path=/"} <= set(device)


def test_with_https_the_browser_binds_the_cookie_to_host_and_tls(start_server):
    server = start_server(TALLYSTICK_PUBLIC_URL="https://audit.example.com")
    settle(server.data_dir, "acme", "Acme", {"alice@acme.com": "owner"})
    answer = httpx.post(
        f"{server.url}/sign-in",
        data={"email": "alice@acme.com", "password": PASSWORD},
        headers={"Origin": "https://audit.example.com"},
    )
    session, device = (_parts(cookie) for cookie in answer.headers.get_list("set-cookie"))
    assert session[0].startswith("__Host-sid=")
    assert device[0].startswith("__Host-device=")
    for cookie in (session, device):
        assert {"secure", "httponly", "path=/"} <= set(cookie)


def _parts(cookie: str) -> list[str]:
    """A cookie's name and value, then its attributes in lower case."""
    value, *attributes = cookie.split("; ")
    return [value, *map(str.lower, attributes)]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://["},
        {},
    ],
)
def test_a_form_that_another_site_sends_is_refused(town, path, headers):
    answer = httpx.post(town.server.url + path, data={"email": "alice@acme.com", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_pages_say_what_browsers_may_not_give_them(town):
    policy = httpx.get(f"{town.server.url}/sign-in").headers["permissions-policy"]
    assert {"camera=()", "geolocation=()", "microphone=()"} <= set(policy.split(", "))


def test_one_visitor_does_not_lock_a_whole_company_out_behind_a_proxy_that_nobody_named(start_server):
    server = start_server()
    settle(server.data_dir, "acme", "Acme", {"alice@acme.com": "owner", "new@acme.com": "member"})
    headers = {"Origin": server.url, "X-Forwarded-For": "192.0.2.7"}

    def sign_in(email, password=PASSWORD):
        with httpx.Client(base_url=server.url, headers=headers) as browser:
            return browser.post("/sign-in", data={"email": email, "password": password})

    assert sign_in("alice@acme.com").status_code == 303
    statuses = {sign_in(f"nobody{number}@acme.com", "x").status_code for number in range(40)}
    assert statuses == {401, 429}
    assert sign_in("alice@acme.com").status_code == 303

    def is_signed_in() -> bool:
        answer = sign_in("new@acme.com")
        assert answer.status_code == 303 or int(answer.headers["retry-after"]) <= 2
        return answer.status_code == 303

    wait_until(is_signed_in)


def test_signing_out_takes_the_token_of_the_session(alice):
    answer = alice.evaluate(
        "fetch('/sign-out', {method: 'POST', body: new URLSearchParams({form_token: 'x'})}).then((a) => a.status)"
    )
    assert answer == 403
    alice.reload()
    expect(alice.get_by_role("heading", name="Audit Logs")).to_be_visible()


def test_who_is_signed_out_meanwhile_is_led_to_the_sign_in_with_the_next_search(page, town):
    name, value = town.session("alice@acme.com")
    page.context.add_cookies([{"name": name, "value": value, "url": town.server.url}])
    page.goto(f"{town.server.url}/audit-logs?status=failed")
    page.context.clear_cookies()
    page.get_by_label("Search events").fill("deploy")
    expect(page).to_have_url(f"{town.server.url}/sign-in?next=%2Faudit-logs%3Fstatus%3Dfailed")


def test_sign_ins_enter_the_trail_they_are_about(alice):
    alice.get_by_label("Search events").fill("action:user.login user:alice@acme.com")
    expect(alice.locator("#rows tr").first).to_contain_text("user.login")


def test_the_link_of_a_fresh_server_makes_the_first_owner_once(page, start_server):
    server = start_server()
    link = server.wait_for_output(r"http://\S+/set-up/\S{43}$")[0]
    page.goto(link)
    for label, value in {
        "Organization": "Müller & Söhne",
        "Your name": "Olivia",
        "Your email": "olivia@acme.com",
    }.items():
        page.get_by_label(label).fill(value)
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create organization").click()
    expect(page.get_by_label("Your name")).to_have_value("Olivia")  # the browser holds a short password back
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create organization").click()
    expect(page.locator(".organization")).to_have_text("Müller & Söhne")
    expect(page.locator(".person")).to_have_text("olivia@acme.com owner")
    page.goto(link)
    expect(page.get_by_role("heading")).to_have_text("Page not found")


def _post(town, path, data):
    return httpx.post(town.server.url + path, data=data, headers={"Origin": town.server.url})
