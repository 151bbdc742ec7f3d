"""Histogram, top values, completions and saved views of the list, and who may see them."""

import html
import re

import httpx
import pytest

from tests.web.happenings import ZOO

ALICE, CHARLIE, JOHN = "alice@acme.com", "charlie@other.example", "john@example.com"
PATHS = ("histogram", "facets/user", "complete/user", "saved")


@pytest.fixture
def get(town):
    def ask(email, path, **params):
        name, value = town.session(email)
        with httpx.Client(base_url=town.server.url, cookies={name: value}) as client:
            return client.get(f"/audit-logs/{path}", params=params)

    return ask


@pytest.fixture
def post(town):
    def send(email, path, token=True, origin=None, **fields):
        name, value = town.session(email)
        headers = {"Origin": origin or town.server.url}
        with httpx.Client(base_url=town.server.url, cookies={name: value}, headers=headers) as client:
            if token:
                menu = client.get("/audit-logs/saved").text
                fields["form_token"] = re.search(r'name="form_token" value="([^"]+)"', menu)[1]
            return client.post(f"/audit-logs/{path}", data=fields)

    return send


def test_the_counts_over_time_are_those_of_the_list(get):
    shown = get(ALICE, "histogram", q="user:sarah@acme.com action:deployment.*").text
    assert re.findall(r"(Success|Failed) <b>(\d+)</b>", shown) == [("Success", "1"), ("Failed", "1")]
    assert "Show as table" in shown


def test_a_step_of_time_leads_to_its_events(get, town):
    shown = get(ALICE, "histogram", q="user:sarah@acme.com").text
    links = [html.unescape(link) for link in re.findall(r'<th scope="row"><a href="([^"]+)" data-page', shown)]
    found = [
        int(httpx.URL(link).params["start"] <= "2024-01-15T14:30:45Z" < httpx.URL(link).params["end"]) for link in links
    ]
    assert sum(found) == 1


def test_a_search_with_a_mistake_has_no_counts_and_is_no_error(get):
    for path in ("histogram", "facets/user", "complete/user"):
        assert get(ALICE, path, q="deploy (").status_code == 200


def test_top_values_lead_to_only_them_and_to_all_but_them(get):
    shown = html.unescape(get(ALICE, "facets/user", q="action:deployment.*").text)
    assert "sarah@acme.com" in shown
    assert "/audit-logs?q=action%3Adeployment.%2A&user=sarah%40acme.com" in shown
    assert "/audit-logs?q=action%3Adeployment.%2A+-user%3Asarah%40acme.com" in shown


def test_values_behind_a_qualifier_are_those_that_there_are(get):
    assert get(ALICE, "complete/user", typed="sar").json() == [{"text": "user:sarah@acme.com", "count": 4}]
    offered = [one["text"] for one in get(ALICE, "complete/status", typed="").json()]
    assert offered == ["status:success", "status:failed"]
    assert get(ALICE, "complete/ip", typed="192.168").json()[0]["text"] == "ip:192.168.1.50"


def test_a_completed_value_with_blanks_is_quoted_so_that_it_can_be_read(get):
    (offered,) = get(ALICE, "complete/user", typed="textarea").json()
    assert get(ALICE, "rows", q=offered["text"]).text.count('role="row"') == offered["count"] + 1  # and the head


@pytest.mark.parametrize("path", ["facets/password", "complete/id"])
def test_what_is_not_counted_is_said(get, path):
    assert get(ALICE, path).status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_charlie_gets_nothing_of_acme(get, path):
    assert "acme" not in get(CHARLIE, path).text.replace("acme.com/", "")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_given_without_a_session(town, path):
    answer = httpx.get(f"{town.server.url}/audit-logs/{path}")
    assert answer.headers["location"].startswith("/sign-in")


def test_a_member_is_offered_only_what_is_the_members(get):
    assert "sarah" not in get(JOHN, "facets/user").text + get(JOHN, "complete/user").text


def test_markup_is_escaped_wherever_values_are_listed(get):
    for path in ("facets/user", "facets/resource"):
        shown = get(ALICE, path, q="action:zoo.visited").text
        assert not re.search(r"<(script|img|svg|b>|div)", shown)
        assert "&lt;script&gt;window.bitten = 1" in shown
    assert get(ALICE, "complete/user", typed="<script").headers["content-type"] == "application/json"


def test_a_view_is_saved_opened_shared_and_deleted(get, post, town):
    name = ZOO[0]
    answer = post(ALICE, "saved", name=name, query="status=failed&tz=Europe%2FBerlin&columns=time%2Cuser")
    assert answer.headers["location"] == "/audit-logs?tz=Europe%2FBerlin&columns=time%2Cuser&status=failed"
    menu = get(ALICE, "saved", status="failed", columns="time,user").text
    assert re.search(r'href="/audit-logs\?columns=time%2Cuser&amp;status=failed" aria-current="true"', menu)
    assert "<script" not in menu
    view = re.search(r"/audit-logs/saved/(view_\w+)", menu)[1]
    assert view not in get(JOHN, "saved").text
    assert post(ALICE, f"saved/{view}", act="share").status_code == 303
    assert 'by <bdi dir="ltr">alice@acme.com' in get(JOHN, "saved").text
    for act in ("rename", "unshare", "delete"):
        assert post(CHARLIE, f"saved/{view}", act=act, name="x").status_code == 404
    assert post(JOHN, f"saved/{view}", act="delete").status_code == 403
    assert post(ALICE, f"saved/{view}", act="delete").status_code == 303
    assert "view_" not in get(ALICE, "saved").text


def test_a_view_is_not_saved_for_another_site_or_without_the_forms_token(post):
    assert post(ALICE, "saved", name="x", query="", origin="https://evil.example").status_code == 403
    assert post(ALICE, "saved", token=False, name="x", query="").status_code == 403


def test_a_view_without_a_name_and_an_act_that_there_is_not_are_refused(post):
    assert post(ALICE, "saved", name=" ", query="").status_code == 400
    assert post(ALICE, "saved/view_00000000000000000000000000", act="steal").status_code == 400


def test_a_view_that_cannot_be_kept_leads_back_to_the_page_which_says_why(get, post):
    refused = post(ALICE, "saved", name="  ", query="status=failed")
    assert refused.status_code == 400
    assert 'id="problem" data-here="/audit-logs?status=failed">' in refused.text
    assert 'id="rows"' in refused.text
    for name in ("taken", "other"):
        assert post(ALICE, "saved", name=name, query="").status_code == 303
    kept = re.findall(r"/audit-logs/saved/(view_\w+)", get(ALICE, "saved").text)
    taken = post(ALICE, f"saved/{kept[0]}", act="rename", name="taken", query="")
    assert (taken.status_code, 'id="problem"' in taken.text) == (409, True)
    for view in kept:
        post(ALICE, f"saved/{view}", act="delete")
