"""A server with two organizations, and people of each in a browser."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tallystick.access.sessions import cookie_name
from tests.fixtures.servers import Server, Starter
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until
from tests.web import axe
from tests.web.happenings import Event, routine, story, zoo
from tests.web.settling import PASSWORD, settle

ROUTINE = 120
# What the browser says of answers that were refused, and htmx of requests that were taken back.
EXPECTED = ("Failed to load resource", "htmx:afterRequest", "htmx:sendAbort", "htmx:sendError", "htmx:responseError")


@dataclass
class Town:
    """Acme, where Alice is owner and John a member, and Charlie's own organization, on one server."""

    server: Server
    acme: httpx.Client
    other: httpx.Client
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict)

    def record(self, *events: Event, client: httpx.Client | None = None) -> list[dict[str, Any]]:
        """Record at Acme, and wait until searches see it: `{id, index, …}` for each."""
        answer = (client or self.acme).post("/v1/audit-logs?wait=searchable", json={"events": list(events)})
        assert answer.status_code == 201, answer.text
        recorded: list[dict[str, Any]] = answer.json()["events"]
        return recorded

    def session(self, email: str) -> tuple[str, str]:
        """Name and value of the cookie of somebody who signed in; each person does so once."""
        if email not in self.sessions:
            form, headers = {"email": email, "password": PASSWORD}, {"Origin": self.server.url}
            answer = httpx.post(f"{self.server.url}/sign-in", data=form, headers=headers)
            name = cookie_name(self.server.url)
            self.sessions[email] = (name, answer.cookies[name])
        return self.sessions[email]

    def event(self, query: str) -> dict[str, Any]:
        """The newest event of Acme that a search finds; one on its way through the outbox is waited for."""
        asked = {"q": query, "limit": 1}
        found: list[dict[str, Any]] = wait_until(lambda: self.acme.get("/v1/audit-logs", params=asked).json()["data"])
        return found[0]


@pytest.fixture(scope="session")
def town(start_shared_server: Starter) -> Iterator[Town]:
    """Sarah's story, John's routine and the zoo are recorded."""
    server = start_shared_server()
    people = {"alice@acme.com": "owner", "john@example.com": "member"}
    acme_key = settle(server.data_dir, "acme", "Acme", people)
    other_key = settle(server.data_dir, "other", "Other & Sons", {"charlie@other.example": "owner"})
    with server.client(acme_key) as acme, server.client(other_key) as other:
        made = Town(server, acme, other)
        made.record(*routine(ROUTINE))
        made.record(*story())
        made.record(*zoo())
        made.record({"action": "project.created", "resource": {"type": "project", "name": "theirs"}}, client=other)
        yield made


@pytest.fixture(scope="module")
def contexts(browser: Browser, town: Town) -> Iterator[Callable[..., BrowserContext]]:
    """Browser contexts by person and options, with the person's cookie; kept, since making one takes long."""
    made: dict[str, BrowserContext] = {}

    def find(email: str, options: dict[str, Any]) -> BrowserContext:
        key = repr((email, sorted(options.items(), key=repr)))
        if key not in made:
            options = {"viewport": {"width": 1280, "height": 800}, "timezone_id": "Europe/Berlin", **options}
            made[key] = browser.new_context(base_url=town.server.url, locale="en-GB", **options)
            name, value = town.session(email)
            made[key].add_cookies([{"name": name, "value": value, "url": town.server.url}])
        return made[key]

    yield find
    for context in made.values():
        context.close()


@pytest.fixture
def as_person(contexts: Callable[..., BrowserContext]) -> Iterator[Callable[..., Page]]:
    """`as_person(email, **context)` gives a page of somebody who signed in; it fails on any error in the console."""
    errors: list[str] = []
    pages: list[Page] = []

    def open_page(email: str = "alice@acme.com", **options: Any) -> Page:
        page = contexts(email, options).new_page()
        pages.append(page)
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto("/audit-logs")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [error for error in errors if not error.startswith(EXPECTED)] == []


@pytest.fixture
def alice(as_person: Callable[..., Page]) -> Page:
    """The owner of Acme, on the Audit Logs page."""
    return as_person()


@pytest.fixture(scope="session")
def axe_script() -> str:
    return axe.source()
