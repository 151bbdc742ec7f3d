"""The pages note what they show, all of them, and the trail says it."""

import inspect
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallystick.web.routes import WEB
from tests.web.conftest import Town
from tests.web.forms import client, seen, token

# Handlers that read the event store, or documents made from it, and are recorded in another way or show no event.
OTHERS = {
    "web.cases.make": "redirects; the events of a case are recorded with it",
    "web.audit_logs.live": "notes by itself, since its scope is read from the session again and again",
    "web.audit_logs.proof": "shows hashes and indexes",
    "web.case.report": "recorded as a report",
    "web.compliance.pdf": "recorded as a download",
    "web.compliance.json": "recorded as a download",
    "web.exports.download": "recorded as a download",
    "web.integrity": "shows hashes and indexes",
}
READING = {"finder", "store", "review_page", "alerts_page", "retention_page"}


@pytest.fixture
def alice_asks(town: Town) -> Iterator[httpx.Client]:
    with client(town) as asking:
        yield asking


def reading_handlers() -> dict[str, Any]:
    """The handlers that can read events, by name; those of forms too, which show pages with what is wrong."""
    handlers = [one for route in WEB.routes for one in getattr(route, "route_handlers", ())]
    return {str(one.name): one for one in handlers if READING & set(inspect.signature(one.fn).parameters)}


def has_viewer(handler: Any) -> bool:
    """Whether a handler has what notes, or renders by a page that has it."""
    names = set(inspect.signature(handler.fn).parameters)
    pages = [WEB.dependencies[name] for name in names if name.endswith("_page")]
    return any("viewer" in inspect.signature(one.dependency).parameters for one in pages) or "viewer" in names


def test_every_page_that_reads_events_notes_it_or_says_why_not() -> None:
    silent = {name for name, one in reading_handlers().items() if not has_viewer(one)}
    assert silent - OTHERS.keys() == set()
    assert len(reading_handlers()) > 30


def test_a_search_and_an_opened_event_are_in_the_trail(town: Town, alice_asks: httpx.Client) -> None:
    [event] = town.record({"action": "project.viewed", "description": "lighthouse"})
    assert alice_asks.get("/audit-logs?q=lighthouse").status_code == 200
    assert alice_asks.get(f"/audit-logs/{event['id']}", headers={"hx-target": "panel"}).status_code == 200
    opened = town.event(f"action:audit_log.event_viewed resource:{event['id']}")
    assert opened["actor"]["email"] == "alice@acme.com"
    viewed = town.event("action:audit_log.viewed metadata.filter.q:lighthouse")
    assert viewed["context"]["session_id"].startswith("ses_")
    assert viewed["metadata"]["filter"] == {"q": ["lighthouse"]}


def test_an_error_beside_the_list_of_a_search_leaves_the_search_in_the_trail(
    town: Town, alice_asks: httpx.Client
) -> None:
    town.record({"action": "project.viewed", "description": "windmill"})
    form = {"form_token": token(alice_asks), "name": "", "query": "q=windmill"}
    page = alice_asks.post("/audit-logs/saved", data=form)
    assert page.status_code == 400
    assert "windmill" in seen(page)
    assert town.event("action:audit_log.viewed metadata.filter.q:windmill")["actor"]["email"] == "alice@acme.com"


def test_a_case_shown_with_an_error_is_in_the_trail(town: Town, alice_asks: httpx.Client) -> None:
    [event] = town.record({"action": "project.viewed"})
    form = {"form_token": token(alice_asks), "title": "Leak", "event": event["id"]}
    case_id = alice_asks.post("/cases", data=form).headers["location"].partition("?")[0].rpartition("/")[2]
    page = alice_asks.post(f"/cases/{case_id}", data={"form_token": form["form_token"], "version": "9", "title": "x"})
    assert page.status_code == 409
    assert town.event(f"action:audit_log.viewed metadata.filter.case:{case_id}")["actor"]["email"] == "alice@acme.com"


def test_a_back_test_before_a_rule_is_made_is_in_the_trail(town: Town, alice_asks: httpx.Client) -> None:
    form = {"form_token": token(alice_asks), "act": "test", "query": "action:project.tested", "group_by": "user"}
    asked = {"count": "1", "quiet": "0", "quiet_unit": "hours", "days": "30"}
    assert alice_asks.post("/alerts/rules/new", data=form | asked).status_code == 200
    assert town.event('action:audit_log.viewed metadata.filter.q:"action:project.tested"')


def test_a_number_of_events_that_a_hold_would_keep_is_in_the_trail_with_its_search(
    town: Town, alice_asks: httpx.Client
) -> None:
    page = alice_asks.get("/retention", params={"look": "hold", "name": "x", "query": "metadata.pin:4711"})
    assert "This hold keeps" in seen(page)
    assert town.event("action:audit_log.viewed metadata.filter.legal_hold:new")["metadata"]["filter"]["q"] == [
        "metadata.pin:4711"
    ]


def test_the_timeline_around_an_event_that_was_opened_just_now_is_in_the_trail(
    town: Town, alice_asks: httpx.Client
) -> None:
    [event] = town.record({"action": "project.viewed"})
    alice_asks.get(f"/audit-logs/{event['id']}", headers={"hx-target": "panel"})
    assert alice_asks.get(f"/audit-logs/{event['id']}/investigate?before=7d").status_code == 200
    viewed = town.event(f"action:audit_log.viewed metadata.filter.timeline:{event['id']}")
    assert viewed["metadata"]["filter"]["before"] == ["7d"]


@pytest.mark.parametrize("views", ["usual", "off"])
def test_a_live_view_from_the_first_event_on_is_recorded_as_a_stream(
    town: Town, alice_asks: httpx.Client, views: str
) -> None:
    form_token = token(alice_asks)
    alice_asks.post("/retention/views", data={"form_token": form_token, "views": views})
    with alice_asks.stream("GET", f"/audit-logs/live?after=-1&q=stream-{views}"):
        told = town.event(f"action:audit_log.exported metadata.filter.q:stream-{views}")
    alice_asks.post("/retention/views", data={"form_token": form_token, "views": "usual"})
    assert told["metadata"]["streamed"] is True
    assert told["actor"]["email"] == "alice@acme.com"
