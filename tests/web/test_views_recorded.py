"""The pages note what they show, all of them, and the trail says it."""

import inspect
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallystick.web.routes import WEB
from tests.web.conftest import Town
from tests.web.forms import client

# GETs that read the event store, or documents made from it, and are recorded in another way or show no event.
OTHERS = {
    "web.audit_logs.live": "notes by itself, since its scope is read from the session again and again",
    "web.audit_logs.proof": "shows hashes and indexes",
    "web.case.report": "recorded as a report",
    "web.compliance.pdf": "recorded as a download",
    "web.compliance.json": "recorded as a download",
    "web.exports.download": "recorded as a download",
    "web.retention": "shows numbers of events",
    "web.integrity": "shows hashes and indexes",
}
READING = {"finder", "store", "review_page"}


@pytest.fixture
def alice_asks(town: Town) -> Iterator[httpx.Client]:
    with client(town) as asking:
        yield asking


def reading_handlers() -> dict[str, Any]:
    """The GET handlers that can read events, by name."""
    handlers = [
        one for route in WEB.routes for one in getattr(route, "route_handlers", ()) if "GET" in one.http_methods
    ]
    return {str(one.name): one for one in handlers if READING & set(inspect.signature(one.fn).parameters)}


def test_every_page_that_reads_events_notes_it_or_says_why_not() -> None:
    silent = {name for name, one in reading_handlers().items() if "viewer" not in inspect.signature(one.fn).parameters}
    assert silent - OTHERS.keys() == set()
    assert len(reading_handlers()) > 12


def test_a_search_and_an_opened_event_are_in_the_trail(town: Town, alice_asks: httpx.Client) -> None:
    [event] = town.record({"action": "project.viewed", "description": "lighthouse"})
    assert alice_asks.get("/audit-logs?q=lighthouse").status_code == 200
    assert alice_asks.get(f"/audit-logs/{event['id']}", headers={"hx-target": "panel"}).status_code == 200
    opened = town.event(f"action:audit_log.event_viewed resource:{event['id']}")
    assert opened["actor"]["email"] == "alice@acme.com"
    viewed = town.event("action:audit_log.viewed metadata.filter.q:lighthouse")
    assert viewed["context"]["session_id"].startswith("ses_")
    assert viewed["metadata"]["filter"] == {"q": ["lighthouse"]}
