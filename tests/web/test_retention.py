"""The Retention page: who sees it, what it says beforehand, what can be done, all without scripts."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.fixtures.servers import Starter
from tests.fixtures.waiting import wait_until
from tests.web.axe import violations_in_every_look
from tests.web.conftest import Town
from tests.web.forms import client, seen, token
from tests.web.happenings import routine
from tests.web.settling import settle

PAGE = "/retention"
EMMA, NICO, AUDITOR, MEMBER, CHARLIE = (
    "emma@acme.com",
    "nico@acme.com",
    "audit@acme.com",
    "john@acme.com",
    "charlie@other.example",
)


@pytest.fixture(scope="module")
def town(start_server: Starter):
    """A town of its own, since plans are changed here: events of last week and of years ago."""
    server = start_server(TALLYSTICK_SUPPORT_CONTACT="support@example.com")
    people = {"alice@acme.com": "owner", EMMA: "owner", NICO: "admin", AUDITOR: "auditor", MEMBER: "member"}
    acme_key = settle(server.data_dir, "acme", "Acme", people)
    other_key = settle(server.data_dir, "other", "Other & Sons", {CHARLIE: "owner"})
    with server.client(acme_key) as acme, server.client(other_key) as other:
        made = Town(server, acme, other)
        made.record(*routine(20))
        old = {"action": "project.updated", "timestamp": "2026-01-15T10:00:00Z"}
        made.record(*({**old, "actor": {"email": f"sarah{n % 2}@acme.com", "name": "Sarah"}} for n in range(30)))
        made.record({"action": "project.created", "resource": {"type": "project", "name": "theirs"}}, client=other)
        yield made


@pytest.fixture
def alice_asks(town):
    with client(town) as asking:
        yield asking


@pytest.fixture
def nico_asks(town):
    with client(town, NICO) as asking:
        yield asking


@pytest.fixture
def emma_asks(town):
    """A second owner."""
    with client(town, EMMA) as asking:
        yield asking


@pytest.fixture
def charlie_asks(town):
    with client(town, CHARLIE) as asking:
        yield asking


def post(asking, path: str = "", **fields: str):
    return asking.post(PAGE + path, data={"form_token": token(asking), **fields})


def placed(asking, name: str) -> str:
    """A hold that was placed just now: its id."""
    assert post(asking, "/holds", name=name, query="user:sarah1@acme.com").status_code == 303
    found = re.findall(
        r"look=release&amp;hold=(hold_\w+)#holds\">Release<span class=\"unseen\"> ([^<]+)<", asking.get(PAGE).text
    )
    return next(public_id for public_id, called in found if called == name)


def test_owner_admin_and_auditor_see_it_and_a_member_is_not_led_there(town):
    for email, status in (("alice@acme.com", 200), (NICO, 200), (AUDITOR, 200), (MEMBER, 403)):
        with client(town, email) as asking:
            assert asking.get(PAGE).status_code == status, email
            assert ('href="/retention"' in asking.get("/cases").text) == (status == 200)


def test_an_auditor_reads_and_is_offered_nothing_to_do(town):
    with client(town, AUDITOR) as asking:
        page = asking.get(PAGE)
        assert "Enterprise" in seen(page)
        assert '<form method="post" action="/retention' not in page.text
        assert "Erasures" not in seen(page)
        assert post(asking, "/holds", name="x", query="failed").status_code == 403
        assert post(asking, plan="pro").status_code == 403


def test_an_admin_is_offered_no_change_and_may_make_none(nico_asks, town):
    assert "Only an owner can change" in seen(nico_asks.get(PAGE))
    assert post(nico_asks, plan="free").status_code == 403
    assert nico_asks.get(PAGE, params={"look": "change", "plan": "free"}).status_code == 400
    town.record({"action": "project.viewed"})  # a record of the change would be searchable before this
    assert town.acme.get("/v1/audit-logs", params={"q": "action:audit_log.retention_changed"}).json()["data"] == []


def test_a_change_says_what_it_deletes_and_that_it_is_recorded(alice_asks, town):
    said = seen(alice_asks.get(PAGE, params={"look": "change", "plan": "free", "days": "400"}))
    end = (datetime.now(UTC) - timedelta(days=6)).isoformat()
    old = town.acme.get("/v1/audit-logs", params={"end": end, "count": "exact"}).json()["total"]
    assert f" {old:,} events are permanently deleted." in said
    assert "None of them were exported or archived." in said
    assert "This is recorded in the audit log" in said
    assert "only support@example.com can restore the larger plan" in said
    assert "Enterprise · 36,500 days" in said


@pytest.mark.parametrize("days", ["0", "-1", "many", "99999", "364", "١٢"])
def test_a_bad_number_of_days_is_refused_beside_its_form(alice_asks, days):
    for answer in (
        alice_asks.get(PAGE, params={"look": "change", "plan": "enterprise", "days": days}),
        post(alice_asks, plan="enterprise", days=days),
    ):
        assert answer.status_code in (400, 403)
        assert 'id="change-problem"' in answer.text
    assert "Enterprise · 36,500 days" in seen(alice_asks.get(PAGE))


def requested(page, what: str) -> str:
    """The id of the request that the page offers to confirm or to cancel."""
    (found,) = re.findall(rf"/retention/requests/(dec_\w+)/{what}", page.text)
    return found


def test_a_hold_is_looked_at_placed_and_its_release_confirmed_by_another(alice_asks, nico_asks):
    look = {"look": "hold", "name": "Case 7", "query": "user:sarah1@acme.com"}
    assert "This hold keeps 15 events recorded so far" in seen(alice_asks.get(PAGE, params=look))
    hold_id = placed(alice_asks, "Case 7")
    said = seen(alice_asks.get(PAGE, params={"look": "release", "hold": hold_id}))
    assert "nothing is deleted now" in said
    assert "a second person must confirm this. The hold stays until then." in said
    assert post(alice_asks, f"/holds/{hold_id}/release").status_code == 303
    page = alice_asks.get(PAGE)
    assert "Waiting for a second person Requested by alice@acme.com" in seen(page)
    assert "Released" not in seen(page)
    asked = requested(page, "cancel")
    assert f"/requests/{asked}/confirm" not in page.text
    assert post(alice_asks, f"/requests/{asked}/confirm").status_code == 403
    assert post(nico_asks, f"/holds/{hold_id}/release").status_code == 409
    assert requested(nico_asks.get(PAGE), "confirm") == asked
    assert post(nico_asks, f"/requests/{asked}/confirm").status_code == 303
    assert "Released" in seen(alice_asks.get(PAGE))
    assert post(nico_asks, f"/requests/{asked}/confirm").status_code == 409


def test_a_shorter_retention_waits_for_a_second_owner_and_is_cancelled(alice_asks, emma_asks, nico_asks):
    look = {"look": "change", "plan": "enterprise", "days": "400"}
    assert "Ask a second owner to confirm" in seen(alice_asks.get(PAGE, params=look))
    assert post(alice_asks, plan="enterprise", days="400").status_code == 303
    page = seen(alice_asks.get(PAGE))
    assert "Enterprise, 36,500 days → Enterprise, 400 days Waiting for a second owner" in page
    assert "Enterprise · 36,500 days" in page
    asked = requested(emma_asks.get(PAGE), "confirm")
    for other in (alice_asks.get(PAGE), nico_asks.get(PAGE)):
        assert f"/requests/{asked}/confirm" not in other.text
    refused = post(nico_asks, f"/requests/{asked}/confirm")
    assert (refused.status_code, "takes the role owner" in seen(refused)) == (403, True)
    again = post(alice_asks, plan="pro")
    assert (again.status_code, "waits for a second person" in seen(again)) == (409, True)
    assert post(emma_asks, f"/requests/{asked}/cancel").status_code == 303
    assert "Waiting for a second owner" not in seen(alice_asks.get(PAGE))
    assert "Enterprise · 36,500 days" in seen(alice_asks.get(PAGE))


def test_a_mistake_in_a_holds_search_is_said_and_what_was_typed_stays(alice_asks):
    for answer in (
        alice_asks.get(PAGE, params={"look": "hold", "name": "<b>mine</b>", "query": "statsu:failed"}),
        post(alice_asks, "/holds", name="<b>mine</b>", query="statsu:failed"),
    ):
        assert answer.status_code == 400
        assert 'id="hold-problem"' in answer.text
        assert "&lt;b&gt;mine&lt;/b&gt;" in answer.text
        assert "<b>mine" not in answer.text


def test_an_erasure_is_asked_for_by_one_and_confirmed_by_another(alice_asks, nico_asks):
    assert post(alice_asks, "/erasures", email="sarah0@acme.com", reason="Request 17").status_code == 303
    page = alice_asks.get(PAGE)
    assert "15 events would have data erased" in seen(page)
    assert "A second owner or admin must confirm this" in seen(page)
    (erasure_id,) = re.findall(r"/retention/erasures/(ers_\w+)/cancel", page.text)
    refused = post(alice_asks, f"/erasures/{erasure_id}/confirm")
    assert refused.status_code == 403
    assert "Ask a second owner or admin" in seen(refused)
    assert f"/erasures/{erasure_id}/confirm" in nico_asks.get(PAGE).text
    assert post(nico_asks, f"/erasures/{erasure_id}/confirm").status_code == 303
    assert re.search("Erasing|Erased", seen(alice_asks.get(PAGE)))


def test_an_erasure_that_cannot_end_says_what_it_waits_for(town, alice_asks, nico_asks):
    """Such as an older database that a restore moved aside, which may hold the person."""
    older = town.server.data_dir / "tallystick.db.replaced-20260101T000000Z"
    older.touch()
    assert post(alice_asks, "/erasures", email="sarah1@acme.com", reason="Request 19").status_code == 303
    page = alice_asks.get(PAGE)
    while "still being searched" in seen(page) or "Searching the audit log" in seen(page):
        page = alice_asks.get(PAGE)
    erasure_id = re.findall(r"/retention/erasures/(ers_\w+)/confirm", nico_asks.get(PAGE).text)[0]
    assert post(nico_asks, f"/erasures/{erasure_id}/confirm").status_code == 303
    wait_until(lambda: "Not finished, retrying every minute" in seen(alice_asks.get(PAGE)))
    assert older.name in seen(alice_asks.get(PAGE))
    older.unlink()


def test_an_erasure_is_cancelled(alice_asks):
    assert post(alice_asks, "/erasures", email="nobody@acme.com", reason="Request 18").status_code == 303
    erasure_id = re.findall(r"/retention/erasures/(ers_\w+)/cancel", alice_asks.get(PAGE).text)[0]
    assert post(alice_asks, f"/erasures/{erasure_id}/cancel").status_code == 303
    assert "nobody@acme.com" not in seen(alice_asks.get(PAGE))


def test_an_erasure_that_names_the_person_in_its_reason_is_refused_and_what_was_typed_stays(alice_asks):
    answer = post(alice_asks, "/erasures", email="x@acme.com", reason="x@acme.com asked")
    assert answer.status_code == 400
    assert 'id="erasure-problem"' in answer.text
    assert 'value="x@acme.com"' in answer.text


def test_charlie_sees_and_changes_nothing_of_acme(alice_asks, charlie_asks, town):
    hold_id = placed(alice_asks, "Case 8")
    page = charlie_asks.get(PAGE)
    assert "Case 8" not in page.text
    assert "sarah1" not in page.text
    assert charlie_asks.get(PAGE, params={"look": "release", "hold": hold_id}).status_code == 404
    assert post(charlie_asks, f"/holds/{hold_id}/release").status_code == 404
    assert post(charlie_asks, "/erasures/ers_00000000000000000000000000/confirm").status_code == 404
    assert "Active" in seen(alice_asks.get(PAGE))


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("", {"plan": "free"}),
        ("/holds", {"name": "x", "query": "failed"}),
        ("/erasures", {"email": "x@acme.com", "reason": "Request 19"}),
        ("/erasures/ers_00000000000000000000000000/confirm", {}),
        ("/requests/dec_00000000000000000000000000/confirm", {}),
        ("/holds/hold_00000000000000000000000000/release", {}),
    ],
)
def test_a_form_of_another_site_or_session_is_not_believed(alice_asks, charlie_asks, path, fields):
    assert alice_asks.post(PAGE + path, data={"form_token": token(charlie_asks), **fields}).status_code == 403
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (
        alice_asks.post(PAGE + path, data={"form_token": token(alice_asks), **fields}, headers=headers).status_code
        == 403
    )


def test_what_was_done_here_stands_in_the_trail(alice_asks, town):
    post(alice_asks, "/holds", name="Case 9", query="failed")
    answer = town.acme.post("/v1/audit-logs?wait=searchable", content=json.dumps({"action": "project.updated"}))
    assert answer.status_code == 201
    (event,) = town.acme.get("/v1/audit-logs", params={"q": 'action:audit_log.legal_hold_placed "Case 9"'}).json()[
        "data"
    ]
    assert event["actor"]["email"] == "alice@acme.com"
    assert event["context"]["source"] == "web"


def test_without_a_mail_server_the_page_says_that_nobody_is_told(alice_asks):
    assert "Email is not configured" in seen(alice_asks.get(PAGE))


def test_mail_is_switched_by_owner_and_admin_and_by_nobody_else(nico_asks, charlie_asks, town):
    asked = {"q": "action:organization.updated", "limit": 5}
    assert post(nico_asks, "/mail", mail="off").status_code == 303
    assert post(nico_asks, "/mail", mail="off").status_code == 303
    with client(town, AUDITOR) as auditor:
        assert post(auditor, "/mail", mail="on").status_code == 403
    assert charlie_asks.post(f"{PAGE}/mail", data={"mail": "on"}).status_code == 403
    town.acme.post("/v1/audit-logs?wait=searchable", content=json.dumps({"action": "project.updated"}))
    [event] = town.acme.get("/v1/audit-logs", params=asked).json()["data"]
    assert event["changes"] == {"retention_mail": {"before": True, "after": False}}


def test_the_page_has_no_barrier_in_either_theme_nor_on_a_phone(as_person, axe_script):
    page = as_person(reduced_motion="reduce")
    page.goto(f"{PAGE}?look=change&plan=free&days=400")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert violations_in_every_look(page, axe_script) == []


def test_in_a_browser_a_shorter_retention_takes_two_owners_and_can_be_put_right_for_a_day(as_person):
    page = as_person()
    page.get_by_role("link", name="Retention", exact=True).click()
    page.get_by_label("Days (enterprise only)").fill("3000")
    page.get_by_role("button", name="Preview change").click()
    expect(page.locator(".look")).to_contain_text("Enterprise, 36,500 days → Enterprise, 3,000 days")
    page.get_by_role("button", name="Ask a second owner to confirm").click()
    expect(page.locator(".look")).to_contain_text("Waiting for a second owner")
    expect(page.locator(".fact").first).to_have_text("Enterprise · 36,500 days")
    emma = as_person(EMMA)
    emma.goto(PAGE)
    emma.get_by_text("Confirm…").first.click()
    emma.get_by_role("button", name="Keep 3,000 days").click()
    expect(emma.locator(".fact").first).to_have_text("Enterprise · 3,000 days")
    expect(emma.locator(".known").first).to_contain_text("events of the last 36,500 days are still kept")
