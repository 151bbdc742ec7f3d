"""An organization as its programs see it: a key, and requests with it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx

from tallystick.access import keys, organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.ledger import log
from tests.api.described import check_described
from tests.fixtures.quiet import without_rules
from tests.fixtures.signed_in import SignedIn
from tests.fixtures.waiting import PATIENCE_SECONDS

PATH = "/v1/audit-logs"

Event = dict[str, Any]


def plain_client(url: str, **headers: str) -> httpx.Client:
    """A client whose answers are held to the OpenAPI document.

    For a server without TLS: reading certificates takes longer than most tests.
    """
    hooks: dict[str, list[Any]] = {"response": [check_described]}
    return httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_SECONDS, verify=False, event_hooks=hooks)  # noqa: S501


class ApiClient:
    """One key of one organization."""

    def __init__(self, url: str, org_id: UUID, key: str) -> None:
        self.org_id = org_id
        self.key = key
        self.http = plain_client(url, Authorization=f"Bearer {key}")

    def post(self, content: Any, **more: Any) -> httpx.Response:
        """Send a body: bytes as they are, anything else as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json"} | more.pop("headers", {})
        return self.http.post(PATH, content=body, headers=headers, **more)

    def record(self, *events: Event) -> list[Event]:
        """Record events and wait until queries see them; what was answered for each."""
        answer = self.post({"events": events}, params={"wait": "searchable"})
        assert answer.status_code == 201, answer.text
        recorded: list[Event] = answer.json()["events"]
        return recorded

    def get(self, path: str = PATH, headers: dict[str, str] | None = None, **parameters: Any) -> httpx.Response:
        """Ask, with query parameters by name; a list is a repeated one."""
        return self.http.get(path, params=parameters, headers=headers)

    def page(self, **parameters: Any) -> Event:
        """A page that was found."""
        answer = self.get(**parameters)
        assert answer.status_code == 200, answer.text
        page: Event = answer.json()
        return page

    def actions(self, **parameters: Any) -> list[str]:
        """The actions of the events that were found, in order."""
        return [event["action"] for event in self.page(**parameters)["data"]]

    def size(self) -> int:
        """How many events the organization has in its log, counted from outside."""
        return int(self.page(limit=1, count="exact")["total"])

    @contextmanager
    def live(self, headers: dict[str, str] | None = None, **parameters: Any) -> Iterator[Iterator[Event]]:
        """The messages of a live view as they come: {id, event, data}."""
        with self.http.stream("GET", f"{PATH}/live", params=parameters, headers=headers or {}) as answer:
            if answer.status_code != 200:
                answer.read()
            assert answer.status_code == 200, answer.text
            yield messages(answer.iter_lines())


class Operator:
    """Makes organizations and keys beside a running server, as the operator's commands do."""

    def __init__(self, url: str, database: Database) -> None:
        self._url = url
        self.database = database

    def organization(self) -> ApiClient:
        """A new one that holds no events but those of its own making, and a key that records and reads."""
        now = now_us()
        with self.database.write() as connection:
            made = organizations.create(connection, f"o-{uuid4().hex[:20]}", "Test", "enterprise", 3650, now=now)
            log.create(connection, made.org_id, now=now)
            without_rules(connection, made.org_id, now)
        return self.key(made.org_id)

    def key(self, org_id: UUID, *scopes: str, **more: Any) -> ApiClient:
        """One more key of an organization."""
        wanted = scopes or ("events:write", "events:read")
        with self.database.write() as connection:
            token = keys.create_key(connection, operator_scope(org_id), "test", wanted, now=now_us(), **more)
        return ApiClient(self._url, org_id, str(token))

    def signed_in(self, org_id: UUID, email: str, role: str = "owner") -> SignedIn:
        """A new member of an organization, in a browser."""
        with self.database.write() as connection:
            return SignedIn(connection, self._url, org_id, email, role)


def messages(lines: Iterator[str]) -> Iterator[Event]:
    """The messages in the lines of a text/event-stream."""
    message: Event = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            message[name] = json.loads(value) if name in ("id", "data") else value
        elif "event" in message:
            yield message
            message = {}
        else:
            message = {}


def event(action: str, **more: Any) -> Event:
    """An event with nothing but its action, and what else is said."""
    return {"action": action} | more


def problem(answer: httpx.Response, status: int, code: str) -> Event:
    """The members of a problem, after checking that it is the expected one."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    members: Event = answer.json()
    assert members["code"] == code, answer.text
    assert members["status"] == status
    assert members["type"] == f"/docs#{code}"
    assert members["detail"].endswith((".", "?")), "a detail is a sentence that says what to do"
    return members
