"""The Compliance page: a report with every number leading to its list, reviews begun, noted and signed."""

import html
import re

import pytest
from playwright.sync_api import expect

from tests.fixtures.servers import Starter
from tests.fixtures.waiting import wait_until
from tests.web import axe
from tests.web.conftest import Town
from tests.web.forms import client, seen, token
from tests.web.happenings import routine, story, zoo
from tests.web.settling import settle

PAGE = "/compliance"
AUDITOR, MEMBER, CHARLIE = "audit@acme.com", "john@example.com", "charlie@other.example"
PERIOD = {"start": "2024-01-01", "end": "2024-12-31", "tz": "UTC"}
OWN = """
id = "own"
title = "Ours <b>bold</b>"

[[controls]]
id = "Z"
title = "The zoo"

[[controls.questions]]
asks = "What is in the zoo?"
query = "user:*"

[[controls.questions.exceptions]]
says = "Much of one thing"
query = "user:*"
per = "resource"
at_least = 1
"""


@pytest.fixture(scope="module")
def town(start_server: Starter, tmp_path_factory: pytest.TempPathFactory):
    """A town of its own: with questions of the operator's, one file of them broken, and a mail server."""
    folder = tmp_path_factory.mktemp("questions")
    (folder / "own.toml").write_text(OWN)
    (folder / "broken.toml").write_text('extends = "soc2"\n[[controls]]\nid = 7\n')
    server = start_server(TALLYSTICK_COMPLIANCE_DIR=str(folder), TALLYSTICK_SMTP_URL="smtp://127.0.0.1:9")
    people = {"alice@acme.com": "owner", AUDITOR: "auditor", MEMBER: "member"}
    acme_key = settle(server.data_dir, "acme", "Acme", people)
    other_key = settle(server.data_dir, "other", "Other & Sons", {CHARLIE: "owner"})
    with server.client(acme_key) as acme, server.client(other_key) as other:
        made = Town(server, acme, other)
        made.record(*routine(30))
        made.record(*story())
        made.record(*zoo())
        yield made


@pytest.fixture(scope="module")
def alice_asks(town):
    with client(town) as asking:
        yield asking


@pytest.fixture(scope="module")
def charlie_asks(town):
    with client(town, CHARLIE) as asking:
        yield asking


@pytest.fixture(scope="module")
def report(alice_asks) -> str:
    """The path of a finished SOC 2 report."""
    return made(alice_asks, "soc2")


def post(asking, path: str, **fields):
    return asking.post(PAGE + path, data={"form_token": token(asking), **fields})


def made(asking, framework: str) -> str:
    answer = post(asking, "/reports", framework=framework, **PERIOD)
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    wait_until(lambda: "Log position" in asking.get(path).text)
    return path


def review(asking, **fields) -> str:
    answer = post(asking, "/reviews", **{**PERIOD, **fields})
    assert answer.status_code == 303, seen(answer)
    return answer.headers["location"]


def test_every_number_leads_to_as_many_events(alice_asks, report, town):
    page = alice_asks.get(report)
    links = re.findall(r'<a href="(/audit-logs\?[^"]+)"><b>([\d,]+) events?</b>', page.text)
    assert len(links) >= 4
    for link, number in links:
        count = seen(alice_asks.get(html.unescape(link).replace("/audit-logs?", "/audit-logs/count?")))
        assert count.startswith(f"{number} event"), link
        assert not re.search("≈|at least", count), link


def test_what_is_missing_comes_before_the_controls_and_broken_questions_are_named(alice_asks, report):
    text = seen(alice_asks.get(report))
    places = [text.index(words) for words in ("Log position", "Gaps", "The log of this organization began", "CC6.1")]
    assert places == sorted(places)
    assert "broken.toml, line 3" in text
    assert "broken.toml, line 3" in seen(alice_asks.get(PAGE))
    assert "No evidence found in this period." in text


def test_documents_of_a_report_are_taken_and_the_bundle_goes_to_exports(alice_asks, report):
    pdf = alice_asks.get(f"{report}/report.pdf")
    assert pdf.content.startswith(b"%PDF")
    assert pdf.headers["content-disposition"].startswith('attachment; filename="report-soc2-exp_')
    assert alice_asks.get(f"{report}/report.json").json()["framework"] == "soc2"
    answer = post(alice_asks, report.removeprefix(PAGE) + "/evidence")
    assert (answer.status_code, answer.headers["location"]) == (303, "/exports")
    assert "Evidence" in seen(alice_asks.get("/exports"))


def test_whatever_the_trail_holds_the_page_shows_it_as_text(alice_asks):
    page = alice_asks.get(made(alice_asks, "own"))
    assert "window.bitten" in page.text
    for bite in ("<script>window", "<img src=x", "<svg/onload", "<b>bold</b>", "hx-get='/audit-logs'"):
        assert bite not in page.text


def test_a_report_that_cannot_be_is_refused_in_words(alice_asks):
    for fields, words in (
        ({"framework": "iso"}, "Unknown framework"),
        ({"start": "2999-01-01", "end": "2999-02-01"}, "not started yet"),
        ({"start": "soon"}, "not a valid date or time"),
    ):
        answer = post(alice_asks, "/reports", **{"framework": "soc2", **PERIOD, **fields})
        assert answer.status_code in (400, 404)
        assert words in seen(answer)


def test_an_auditor_reviews_notes_and_signs_and_the_next_report_has_it(town, alice_asks):
    with client(town, AUDITOR) as auditor:
        path = review(auditor, q="action:deployment.*", about="soc2 CC8.1")
        wanted = town.event("action:deployment.failed")["id"]
        inside = path.removeprefix(PAGE)
        assert post(auditor, f"{inside}/findings", event=wanted, severity="high", note="<i>Why?</i>").status_code == 303
        page = auditor.get(path)
        assert "<i>Why?</i>" not in page.text
        assert "<i>Why?</i>" in seen(page) or "&lt;i&gt;Why?" in page.text
        assert "conclude" in seen(post(auditor, inside, act="sign", conclusion="  "))
        assert post(auditor, inside, act="save", conclusion="So far").status_code == 303
        assert "So far" in auditor.get(path).text
        assert post(auditor, inside, act="sign", conclusion="One failure, explained.").status_code == 303
        text = seen(auditor.get(path))
        assert "Signed" in text
        assert "audit@acme.com" in text
        assert "events among the first" in text
        assert post(auditor, inside, act="sign", conclusion="Again").status_code == 409
        assert post(auditor, f"{inside}/findings", event=wanted).status_code == 409
    text = seen(alice_asks.get(made(alice_asks, "soc2")))
    assert "One failure, explained." in text
    assert "No signed review covers" not in text


def test_only_events_of_the_review_are_noted(alice_asks, town):
    path = review(alice_asks, q="action:deployment.failed").removeprefix(PAGE)
    answer = post(alice_asks, f"{path}/findings", event=town.event("action:user.login")["id"])
    assert answer.status_code == 400
    assert "outside the review's period or search" in seen(answer)
    assert post(alice_asks, path, act="withdraw").status_code == 303
    assert "Withdrawn" in seen(alice_asks.get(PAGE + path))


def test_a_saved_view_is_reviewed(alice_asks):
    form = {"form_token": token(alice_asks), "query": "status=failed&range=7d", "name": "Failed ones"}
    alice_asks.post("/audit-logs/saved", data=form)
    (view,) = re.findall(r'<option value="(\w+)">Failed ones</option>', alice_asks.get(PAGE).text)
    assert "Status: failed" in seen(alice_asks.get(review(alice_asks, view=view)))


def test_a_member_is_not_led_there_and_gets_nothing(town, report):
    with client(town, MEMBER) as john:
        assert f'href="{PAGE}"' not in john.get("/audit-logs").text
        for path in (PAGE, report, f"{report}/report.pdf", f"{report}/report.json", f"{report}/progress"):
            assert john.get(path).status_code == 403
        assert post(john, "/reports", framework="soc2", **PERIOD).status_code == 403
        assert post(john, "/reviews", **PERIOD).status_code == 403


def test_a_stranger_sees_nothing_of_it(alice_asks, charlie_asks, report):
    path = review(alice_asks)
    for other in (report, f"{report}/report.pdf", f"{report}/report.json", f"{report}/progress", path):
        assert charlie_asks.get(other).status_code == 404
    for act in ("save", "sign", "withdraw"):
        assert post(charlie_asks, path.removeprefix(PAGE), act=act, conclusion="Mine").status_code == 404
    assert post(charlie_asks, report.removeprefix(PAGE) + "/evidence").status_code == 404
    assert post(charlie_asks, path.removeprefix(PAGE) + "/findings", event="evt_x").status_code == 404
    assert path not in charlie_asks.get(PAGE).text
    assert "Open" in seen(alice_asks.get(path))


def test_a_form_from_elsewhere_does_nothing(alice_asks, report):
    path = review(alice_asks)
    for other in (
        f"{PAGE}/reports",
        f"{PAGE}/reviews",
        f"{PAGE}/reminder",
        f"{report}/evidence",
        path,
        f"{path}/findings",
    ):
        assert alice_asks.post(other, data={"act": "sign", "conclusion": "x", **PERIOD}).status_code == 403
        assert alice_asks.post(
            other, data={"form_token": token(alice_asks)}, headers={"Origin": "https://evil.example"}
        ).status_code == 403  # fmt: skip
    assert "Open" in seen(alice_asks.get(path))


def test_an_owner_sets_the_reminder_and_an_auditor_does_not(town, alice_asks):
    fields = {"weekday": "4", "at": "16:30", "tz": "Europe/Berlin", "recipient": AUDITOR, "act": "set"}
    with client(town, AUDITOR) as auditor:
        assert post(auditor, "/reminder", **fields).status_code == 403
    assert post(alice_asks, "/reminder", **{**fields, "recipient": MEMBER}).status_code == 400
    assert post(alice_asks, "/reminder", **fields).status_code == 303
    assert "Friday, 16:30 Europe/Berlin, to audit@acme.com" in seen(alice_asks.get(PAGE))
    assert post(alice_asks, "/reminder", act="remove").status_code == 303
    assert "No reminder is set." in seen(alice_asks.get(PAGE))


def test_the_pages_hold_in_a_browser_without_violations(as_person, axe_script, report):
    page = as_person(viewport={"width": 390, "height": 844})
    for path in (PAGE, report):
        page.goto(path)
        assert axe.violations(page, axe_script) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(PAGE)
    page.locator("#start-review").get_by_label("From").fill("2024-01-01")
    page.locator("#start-review").get_by_label("To").fill("2024-12-31")
    page.get_by_role("button", name="Start review").click()
    page.locator(".look-through summary").first.click()
    page.locator(".marking").first.get_by_label("Note").fill("Seen")
    page.get_by_role("button", name="Add finding").first.click()
    expect(page.locator("#findings + ul")).to_contain_text("Seen")
    assert axe.violations(page, axe_script) == []
    page.locator("#conclusion").fill("Fine.")
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.locator(".case-head")).to_contain_text("Signed")
    assert axe.violations(page, axe_script) == []
    assert page.evaluate("window.bitten") is None
