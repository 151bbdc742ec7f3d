"""Alerts and Security in the pages: a rule from a search, tested on the past, fired, acknowledged; signs found."""

import html
import re

import pytest
from playwright.sync_api import expect

from tests.web import axe
from tests.web.forms import client, seen, token

PAGE, FORM, SECURITY = "/alerts", "/alerts/rules/new", "/security"


@pytest.fixture
def alice_asks(town):
    with client(town) as asking:
        yield asking


def typed(asking, **more) -> dict[str, object]:
    return {
        "form_token": token(asking), "query": "action:deployment.failed", "count": "1", "window": "10",
        "unit": "minutes", "quiet": "0", "quiet_unit": "hours", "severity": "critical", "name": "Broken", "act": "make",
        "days": "90", "group_by": "resource", "distinct": "", "runbook": "",
    } | more  # fmt: skip


def make(asking, **more) -> str:
    answer = asking.post(FORM, data=typed(asking, **more))
    assert answer.status_code == 303, seen(answer)
    return answer.headers["location"].partition("#")[2]


def text_of(asking, path: str = PAGE) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", asking.get(path).text).split())


def test_a_list_becomes_a_rule_that_is_tested_and_fires_and_is_acknowledged(alice_asks, town):
    form = alice_asks.get(f"{FORM}?category=deployments&status=failed&user=sarah%40acme.com&q=policy").text
    assert 'value="user:sarah@acme.com category:deployments status:failed policy"' in form
    tested = alice_asks.post(FORM, data=typed(alice_asks, act="test"))
    assert "What this rule would have caught" in tested.text
    public_id = make(alice_asks, name="Broken press", query="action:press.broken")
    town.record({"action": "press.broken", "actor": {"email": "jo@acme.com"},
                 "resource": {"type": "press", "name": "<b>press</b>"}})  # fmt: skip
    town.event('action:audit_log.alert_triggered resource:"Broken press"')
    page = alice_asks.get(PAGE).text
    assert "&lt;b&gt;press&lt;/b&gt;" in page
    assert "<b>press</b>" not in page
    found = re.search(r'<li id="(alr_\w+)">(?:(?!</li>).)*Broken press', page, re.DOTALL)
    assert found
    one = text_of(alice_asks, f"{PAGE}/{found[1]}")
    assert "jo@acme.com did press.broken" in one
    done = alice_asks.post(f"{PAGE}/{found[1]}", data={"form_token": token(alice_asks), "note": "Seen."})
    assert done.status_code == 303
    assert "Acknowledged by alice@acme.com" in text_of(alice_asks, f"{PAGE}/{found[1]}")
    for act, said in (("mute", "Muted until"), ("unmute", "Broken press"), ("off", "Turn on"), ("delete", "")):
        answer = alice_asks.post(f"{PAGE}/rules/{public_id}", data={"form_token": token(alice_asks), "act": act})
        assert answer.status_code == 303, seen(answer)
        assert said in text_of(alice_asks)
    assert public_id not in alice_asks.get(PAGE).text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"query": "user:("}, ""),
        ({"count": "0"}, "count must be 1 to 1000"),
        ({"count": "5", "window": "0"}, "set window_seconds"),
        ({"window": "x", "count": "2"}, "window_seconds must be 0"),
        ({"query": "on:2024-01-01"}, "as they arrive"),
        ({"destinations": "dst_nothing"}, "not found"),
    ],
)
def test_a_mistake_is_explained_and_what_was_typed_stays(alice_asks, more, said):
    answer = alice_asks.post(FORM, data=typed(alice_asks, **more))
    assert answer.status_code in (400, 404), seen(answer)
    assert said in answer.text


def test_a_detection_is_looked_at_and_switched_on(alice_asks):
    assert "matching event" in text_of(alice_asks, f"{PAGE}/password_spraying/backtest?days=90")
    answer = alice_asks.post(f"{PAGE}/detections/password_spraying", data={"form_token": token(alice_asks)})
    assert answer.status_code == 303
    assert "Password spraying" in text_of(alice_asks)


def test_a_destination_shows_its_secret_once(alice_asks):
    given = {
        "form_token": token(alice_asks),
        "kind": "webhook",
        "name": "Ops",
        "url": "https://hooks.example/a?key=hunter2",
    }
    made = alice_asks.post(f"{PAGE}/destinations", data=given)
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.text)
    assert secret
    later = alice_asks.get(PAGE).text
    assert secret[0] not in later
    assert "hunter2" not in later
    wrong = alice_asks.post(f"{PAGE}/destinations", data=given | {"form_token": token(alice_asks), "url": "ftp://x"})
    assert "url must be the address" in wrong.text


def test_a_rule_is_sent_to_where_somebody_ticked_and_no_longer_where_not(alice_asks, town):
    given = {"form_token": token(alice_asks), "kind": "slack", "name": "Night shift", "url": "https://hooks.example/b"}
    assert alice_asks.post(f"{PAGE}/destinations", data=given).status_code == 303
    place = re.search(r'<li id="(dst_\w+)">(?:(?!</li>).)*Night shift', alice_asks.get(PAGE).text, re.DOTALL)
    assert place
    rule = make(alice_asks, name="Goes places")
    ticked = rf'value="{place[1]}" checked'
    for chosen, said in (([place[1]], "sent to Night shift"), ([], "shown here only")):
        send = {"form_token": token(alice_asks), "act": "send", "destinations": chosen}
        assert alice_asks.post(f"{PAGE}/rules/{rule}", data=send).status_code == 303
        one = re.search(rf'<li id="{rule}">.*?</li>', alice_asks.get(PAGE).text, re.DOTALL)
        assert one
        assert said in " ".join(re.sub(r"<[^>]+>", "", one[0]).split())
        assert bool(re.search(ticked, one[0])) is bool(chosen)
    assert town.event(f"action:audit_log.alert_rule_updated resource:{rule} changes.destinations:{place[1]}")
    strange = {"form_token": token(alice_asks), "act": "send", "destinations": ["dst_01hk6v2q8zfw0a3m5n7p9r1t3v"]}
    assert alice_asks.post(f"{PAGE}/rules/{rule}", data=strange).status_code in (400, 404)


def test_security_counts_failed_logins_and_every_number_leads_to_its_events(alice_asks, town):
    town.record(*[{"action": "user.login_failed", "actor": {"email": "eve@acme.com"},
                   "context": {"ip_address": "198.51.100.9"}} for _ in range(6)])  # fmt: skip
    page = alice_asks.get(SECURITY).text
    assert "198.51.100.9" in page
    href = re.search(r'eve@acme\.com.*?href="(/audit-logs\?[^"]+)"', page, re.DOTALL)[1].replace("&amp;", "&")
    assert "6 events" in text_of(alice_asks, href)
    sign = text_of(alice_asks, f"{SECURITY}/signs/failed_sign_ins?days=7")
    assert "1 time in the last 7 days" in sign
    assert "eve@acme.com" in sign


def test_security_has_one_line_for_each_person_and_address_however_they_are_written(alice_asks, town):
    people = ["kim*lee@acme.com", "Kim*Lee@acme.com", "kim*lee@acme.com"]
    addresses = ["2001:db8::9", "2001:DB8:0:0:0:0:0:9", "2001:db8::9"]
    town.record(*[{"action": "user.login_failed", "actor": {"email": one}, "context": {"ip_address": address}}
                  for one, address in zip(people, addresses, strict=True)],
                {"action": "user.login_failed", "actor": {"email": "kim-and-lee@acme.com"}})  # fmt: skip
    page = html.unescape(alice_asks.get(SECURITY).text)
    assert "2001:DB8:0" not in page
    assert "Kim*Lee" not in page
    for value in ("2001:db8::9", "kim*lee@acme.com"):
        href = re.search(rf'{re.escape(value)}.*?href="(/audit-logs\?[^"]+)"[^>]*>3<', page, re.DOTALL)[1]
        assert "3 events" in text_of(alice_asks, href)


def test_strangers_and_members_see_none_of_it(alice_asks, town):
    rule = make(alice_asks, name="Ours alone")
    with client(town, "charlie@other.example") as charlie:
        assert "Ours alone" not in charlie.get(PAGE).text
        for path, data in (
            (f"{PAGE}/rules/{rule}", {"act": "off"}), (f"{PAGE}/alr_01hk6v2q8zfw0a3m5n7p9r1t3v", {"note": ""}),
            (f"{PAGE}/destinations/dst_01hk6v2q8zfw0a3m5n7p9r1t3v", {"act": "test"}),
        ):  # fmt: skip
            assert charlie.post(path, data={"form_token": token(charlie)} | data).status_code == 404, path
        assert charlie.get(f"{PAGE}/{rule}/backtest").status_code == 404
        assert "eve@acme.com" not in charlie.get(SECURITY).text
    with client(town, "john@example.com") as john:
        for path in (PAGE, SECURITY, f"{SECURITY}/signs/off_hours", f"{PAGE}/off_hours/backtest"):
            assert john.get(path).status_code == 403, path
        assert john.post(FORM, data=typed(john)).status_code == 403
    assert alice_asks.post(FORM, data=typed(alice_asks) | {"form_token": "x"}).status_code == 403


def test_axe_finds_nothing(as_person, axe_script, alice_asks):
    page = as_person(reduced_motion="reduce")
    for path in (PAGE, FORM, f"{PAGE}/failed_sign_ins/backtest?days=90", SECURITY):
        page.goto(path)
        if path == SECURITY:
            expect(page.get_by_text("Back-test this detection")).to_have_count(4)
        assert axe.violations_in_every_look(page, axe_script) == [], path
