"""Cases over HTTP: who may do what with them, and that nothing in them runs."""

import html
import re

import pytest

from tests.render.reading import text_of
from tests.web.forms import client, seen, token
from tests.web.happenings import ZOO

FAILED = "action:deployment.failed user:sarah@acme.com"


@pytest.fixture
def alice_asks(town):
    with client(town) as asking:
        yield asking


def make(asking, *events: str, title: str = "A case", **more: str) -> str:
    """Make a case of events; its path."""
    form = {"form_token": token(asking), "title": title, "event": list(events), **more}
    answer = asking.post("/cases", data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0]


def write(asking, path: str, **words: str):
    version = re.search(r'name="version" value="(\d+)"', asking.get(path).text)
    assert version is not None
    return asking.post(path, data={"form_token": token(asking), "version": version[1], **words})


def test_what_is_written_stays_and_enters_the_trail(alice_asks, town):
    event = town.event(FAILED)["id"]
    path = make(alice_asks, event, title="Blocked")
    assert write(alice_asks, path, root_cause="Missing encryption").status_code == 303
    note = {"form_token": token(alice_asks), "note": "here it broke"}
    assert alice_asks.post(f"{path}/events/{event}", data=note).status_code == 303
    page = alice_asks.get(path)
    assert "Missing encryption" in page.text
    assert "here it broke" in page.text
    for action in ("case_opened", "case_events_added", "case_updated", "case_noted"):
        assert town.event(f"action:audit_log.{action}")["context"]["session_id"].startswith("ses_")


def test_two_who_write_at_once_are_told(alice_asks, town):
    path = make(alice_asks)
    form = {"form_token": token(alice_asks), "version": "1"}
    assert alice_asks.post(path, data={**form, "issue": "first"}).status_code == 303
    second = alice_asks.post(path, data={**form, "issue": "second"})
    assert second.status_code == 409
    assert "in the meantime" in seen(second)
    assert "second" in second.text
    assert "Saved: first" in seen(second)


def test_words_that_do_not_fit_stay_in_the_form(alice_asks):
    path = make(alice_asks)
    answer = write(alice_asks, path, issue="x" * 5000)
    assert answer.status_code == 400
    assert "x" * 5000 in answer.text


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/cases", {"title": ""}, 400),
        ("/cases", {"title": "x", "event": "evt_00000000000000000000000000"}, 404),
        ("/cases", {"title": "x", "event": "nonsense"}, 404),
        ("/cases", {"case": "cas_00000000000000000000000000"}, 404),
        ("/cases/nonsense", {"version": "1"}, 404),
        ("/cases/nonsense", {"version": "²"}, 400),
        ("/cases/nonsense/state", {"closed": "yes"}, 404),
        ("/cases/nonsense/events/evt_1", {"note": "x"}, 404),
        ("/cases/nonsense/events/evt_1/remove", {}, 404),
    ],
)
def test_a_form_that_cannot_be_is_answered_with_a_page(alice_asks, path, form, status):
    answer = alice_asks.post(path, data={"form_token": token(alice_asks), **form})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


ACTS = ("", "/state", "/events/evt_x", "/events/evt_x/remove")


@pytest.mark.parametrize("act", [None, *ACTS])
def test_a_form_of_another_site_or_session_changes_nothing(alice_asks, town, act):
    path = "/cases" if act is None else make(alice_asks) + act
    form = {"form_token": token(alice_asks), "title": "x", "version": "1", "closed": "yes"}
    strange = alice_asks.post(path, data=form, headers={"Origin": "https://evil.example"})
    assert strange.status_code == 403
    with client(town, "charlie@other.example") as charlie:
        assert charlie.post(path, data=form).status_code == 403
    assert alice_asks.post(path, data=form | {"form_token": ""}).status_code == 403


def test_charlie_finds_none_of_our_cases(alice_asks, town):
    event = town.event(FAILED)["id"]
    path = make(alice_asks, event, title="Ours alone")
    with client(town, "charlie@other.example") as charlie:
        assert "Ours alone" not in charlie.get("/cases").text
        for place in (path, f"{path}/report.pdf", f"{path}/report.md", f"/audit-logs/{event}/investigate"):
            assert charlie.get(place).status_code == 404
        form = {"form_token": token(charlie), "version": "1", "closed": "yes", "issue": "x", "title": "x"}
        for act in ("", "/state", f"/events/{event}", f"/events/{event}/remove"):
            assert charlie.post(path + act, data=form).status_code == 404
        assert charlie.post("/cases", data=form | {"event": event}).status_code == 404
        assert charlie.get(f"/audit-logs/{event}/related").status_code == 404


def test_a_member_finds_the_own_cases_alone(alice_asks, town):
    alices = make(alice_asks, title="Alice's own")
    with client(town, "john@example.com") as john:
        johns = make(john, title="John's own")
        assert "John&#39;s own" in john.get("/cases").text
        assert "Alice&#39;s own" not in john.get("/cases").text
        assert john.get(alices).status_code == 404
        event = town.event(FAILED)["id"]
        assert john.get(f"/audit-logs/{event}/investigate").status_code == 404
        form = {"form_token": token(john), "case": johns.rpartition("/")[2], "event": event}
        assert john.post("/cases", data=form).status_code == 404
    assert alice_asks.get(johns).status_code == 200


def test_a_report_is_a_file_named_for_its_case_and_its_making_is_recorded(alice_asks, town):
    path = make(alice_asks, town.event(FAILED)["id"], title="S3 blocked!")
    for form, media in (("pdf", "application/pdf"), ("md", "text/markdown; charset=utf-8")):
        answer = alice_asks.get(f"{path}/report.{form}?tz=Europe/Berlin")
        assert answer.headers["content-type"] == media
        assert answer.headers["content-disposition"] == f'attachment; filename="incident-s3-blocked.{form}"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        shown = answer.text if form == "md" else text_of(answer.content)
        assert "15:30:45.000 CET" in shown
        assert "Policy violation: S3 encryption required" in shown


def test_a_report_says_where_it_leaves_out_the_rest_of_a_change(alice_asks, town):
    town.record({"action": "change.vast", "changes": {"policy": "\U000e0041" * 10_000 + "end"}})
    path = make(alice_asks, town.acme.get("/v1/audit-logs", params={"q": "action:change.vast"}).json()["data"][0]["id"])
    written = alice_asks.get(f"{path}/report.md").text
    assert "6,013 more characters, which the event holds" in written
    assert "6,013 more characters" in " ".join(text_of(alice_asks.get(f"{path}/report.pdf").content).split())


def test_markup_in_every_field_of_an_event_and_a_case_is_shown_as_text(alice_asks, town):
    zoo = town.acme.get("/v1/audit-logs", params={"q": "action:zoo.visited", "limit": 50}).json()["data"]
    path = make(alice_asks, *[event["id"] for event in zoo], title=ZOO[0])
    lines = ("issue", "detected", "impact", "root_cause", "resolution", "time_to_fix")
    for animals in (ZOO[:6], ZOO[-6:]):
        words = dict(zip(lines, animals, strict=True))
        assert write(alice_asks, path, title=animals[0], **words).status_code == 303
        for event, animal in zip(zoo, animals, strict=False):
            form = {"form_token": token(alice_asks), "note": animal}
            assert alice_asks.post(f"{path}/events/{event['id']}", data=form).status_code == 303
        for page in (path, "/cases", *(f"/audit-logs/{zoo[0]['id']}/{more}" for more in ("investigate", "related"))):
            written = alice_asks.get(page).text
            for bad in ("<script>window", "<img src=x", "<svg/onload", "<b>bold", "<div hx-get='/audit-logs'", "-->]]"):
                assert bad not in written, page
    assert "<" not in alice_asks.get(f"{path}/report.md").text
    assert b"/JavaScript" not in alice_asks.get(f"{path}/report.pdf").content


@pytest.mark.parametrize("query", ["by=friends", "before=soon", "after=900d"])
def test_a_mistake_in_the_address_of_an_investigation_is_said(alice_asks, town, query):
    answer = alice_asks.get(f"/audit-logs/{town.event(FAILED)['id']}/investigate?{query}")
    assert answer.status_code == 400
    assert "such as 30m" in seen(answer) or "must be one or more of" in seen(answer)


def test_cases_are_chosen_by_state(alice_asks):
    path = make(alice_asks, title="To be closed soon")
    assert "To be closed soon" in alice_asks.get("/cases?state=open").text
    alice_asks.post(f"{path}/state", data={"form_token": token(alice_asks), "closed": "yes"})
    assert "To be closed soon" in alice_asks.get("/cases?state=closed").text
    assert "To be closed soon" not in alice_asks.get("/cases?state=open").text
    for odd in ("state=strange", "before=strange", "before=1"):
        assert alice_asks.get(f"/cases?{odd}").status_code == 200
    assert 'href="/cases?state=open&amp;tz=Europe/Berlin"' in alice_asks.get("/cases?tz=Europe/Berlin").text


@pytest.mark.parametrize("path", ["/cases", "/cases/cas_x", "/cases/cas_x/report.pdf", "/audit-logs/evt_x/investigate"])
def test_nothing_is_shown_without_a_session(town, path):
    with client(town) as asking:
        asking.cookies.clear()
        answer = asking.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=")


def test_a_report_shows_every_change_of_an_event_as_its_panel_does(alice_asks, town):
    changes = {
        "resources_planned": 5,
        "error": "no; encryption",
        "role": {"before": "member", "after": "admin"},
        "replicas": {"before": 3, "after": None},
        "tags": {"before": ["a"], "after": ["a", "b"]},
        "spec": {"before": {"cpu": 1, "gone": True}, "after": {"cpu": 2}},
        "nested": {"deep": {"flag": False}},
        "empty": {},
    }
    town.record({"action": "change.mixed", "changes": changes})
    path = make(
        alice_asks, town.acme.get("/v1/audit-logs", params={"q": "action:change.mixed"}).json()["data"][0]["id"]
    )
    written = " ".join(html.unescape(alice_asks.get(f"{path}/report.md").text).replace("\\", "").split())
    drawn = " ".join(text_of(alice_asks.get(f"{path}/report.pdf").content).split())
    for line in (
        "resources_planned: 5", 'error: "no; encryption"', 'role: "member" → "admin"', "replicas: 3 → null",
        'tags: added "b"', "spec.cpu: 1 → 2", "spec.gone: removed true", "nested.deep.flag: false", "empty: {}",
    ):  # fmt: skip
        assert f"change: {line}" in written
        assert f"change {line}" in drawn
