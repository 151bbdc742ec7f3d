"""What nobody expected is answered without a word of it, and logged so that it can be found."""

import sqlite3
from typing import Any

import anyio
import pytest
import structlog
from litestar import Litestar, Request, Response, get
from litestar.testing import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from tallystick.api.problems import HANDLERS
from tallystick.database.damage import RESTORE
from tallystick.errors import SettingsError, Unavailable
from tallystick.http import body
from tallystick.http.allowance import Allowance
from tallystick.http.request_log import log_requests
from tallystick.store.errors import StoreDamaged, StoreError, StoreRefusal, StoreTimeout, StoreUpgrading
from tests.api.api_client import problem

SECRET = "password=hunter2"


def answer_to(error: Exception) -> Any:
    """What is answered when a handler raises `error`."""

    @get("/failing/{part:str}")
    async def fail() -> Response[bytes]:
        raise error

    app = Litestar([fail], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
    app.asgi_handler = log_requests(app.asgi_handler, (), access_log=False)
    with TestClient(app) as client:
        return client.get("/failing/part")


@pytest.mark.parametrize(
    "error", [RuntimeError(SECRET), KeyError(SECRET), SettingsError(SECRET), UnicodeError(SECRET), TimeoutError(SECRET)]
)
def test_what_nobody_expected_is_a_problem_with_an_id_that_the_log_has_too(error):
    with structlog.testing.capture_logs() as lines:
        answer = answer_to(error)
    members = problem(answer, 500, "internal")
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    (line,) = lines
    assert (line["request_id"], line["path"]) == (members["request_id"], "/failing/{part}")
    assert line["exc_info"] is error


def test_damage_is_no_reason_to_ask_again_later():
    answer = answer_to(StoreDamaged(SECRET, "2026_1_1_0"))
    problem(answer, 503, "store_damaged")
    assert "retry-after" not in answer.headers
    assert SECRET not in answer.text


def test_a_damaged_control_database_is_told_to_the_operator_with_the_way_back(tmp_path):
    (tmp_path / "database").write_bytes(b"no database, but a text of more than sixteen bytes" * 100)
    engine = create_engine(f"sqlite:///{tmp_path / 'database'}")
    with pytest.raises(DatabaseError) as caught, engine.connect() as connection:
        connection.execute(text("SELECT * FROM sqlite_master"))
    with structlog.testing.capture_logs() as lines:
        answer = answer_to(caught.value)
    engine.dispose()
    problem(answer, 503, "database_damaged")
    assert "retry-after" not in answer.headers
    assert [line["advice"] for line in lines if line["event"] == "control_database_damaged"] == [RESTORE]


def test_a_store_that_is_being_rebuilt_is_a_reason_to_ask_again_later():
    answer = answer_to(StoreUpgrading())
    problem(answer, 503, "store_upgrading")
    assert int(answer.headers["retry-after"]) > 0


def full_disk(text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreError(SECRET), "store_down"),
        (StoreRefusal(SECRET), "store_down"),
        (StoreTimeout(SECRET), "query_timeout"),
        (OperationalError("SELECT 1", {}, sqlite3.OperationalError(SECRET)), "database_down"),
        (NoConnection(SECRET), "database_down"),
        (OperationalError("INSERT", {}, full_disk(SECRET)), "disk_full"),
        (Unavailable("Full. Come back.", code="overloaded", retry_after=7), "overloaded"),
    ],
)
def test_what_may_pass_says_when_to_come_back(error, code):
    answer = answer_to(error)
    problem(answer, 503, code)
    assert int(answer.headers["retry-after"]) > 0
    assert SECRET not in answer.text


def receiving(*messages: dict[str, Any]) -> Request[Any, Any, Any]:
    """A request whose body comes in these messages, and then not at all."""
    waiting = list(messages)

    async def receive() -> Any:
        if not waiting:
            await anyio.sleep_forever()
        return waiting.pop(0)

    scope: Any = {"type": "http", "headers": [], "state": {}}
    return Request(scope, receive)


async def read(request: Request[Any, Any, Any], allowance: Allowance) -> bytes:
    async with body.read_body(request, allowance) as received:
        return received


def chunk(content: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


class TestBody:
    def test_one_that_does_not_end_is_given_up_and_frees_its_place(self, monkeypatch):
        monkeypatch.setattr(body, "MOST_SECONDS", 0.01)
        allowance = Allowance(10, "Full.", "overloaded")
        with pytest.raises(body.TooSlow):
            anyio.run(read, receiving(chunk(b"12345")), allowance)
        allowance.take(10)

    def test_those_that_are_read_share_what_there_is(self):
        allowance = Allowance(10, "Full.", "overloaded")
        assert anyio.run(read, receiving(chunk(b"12345"), chunk(b"67890", more=False)), allowance) == b"1234567890"
        allowance.take(1)
        with pytest.raises(Unavailable) as refusal:
            anyio.run(read, receiving(chunk(b"1234567890", more=False)), allowance)
        assert refusal.value.code == "overloaded"
        allowance.take(9)
