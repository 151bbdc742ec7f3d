"""A live view that stays open is noted again and again, not at its beginning alone."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from uuid import UUID

import pytest

from tallystick.access.scopes import operator_scope
from tallystick.api import follow_events
from tallystick.query.conditions import Query
from tallystick.web import live_rows
from tallystick.web.filters import Filters
from tallystick.web.live_rows import LiveView

SCOPE = operator_scope(UUID(int=1))
MESSAGES = 5


class Hub:
    """Gives five messages, an hour after another."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock

    async def follow(self, *_: object) -> AsyncGenerator[bytes]:
        for _number in range(MESSAGES):
            self._clock.now += 3600
            yield b"message"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(live_rows, "time", made)
    monkeypatch.setattr(follow_events, "time", made)
    return made


async def count(messages: AsyncGenerator[bytes]) -> int:
    return len([message async for message in messages])


def test_a_person_is_noted_each_hour(clock: Clock) -> None:
    noted: list[object] = []

    async def run(function: object, *_: object) -> object:
        return SCOPE

    database, authenticator = SimpleNamespace(run=run), SimpleNamespace(session_scope=None, revision=0)
    view = LiveView(database, authenticator, Hub(clock), "", Filters(), None, noted.append)  # type: ignore[arg-type]
    assert asyncio.run(count(view.messages())) == MESSAGES + 1
    assert noted == [SCOPE] * MESSAGES


def test_a_key_is_counted_each_hour(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    def authorizing(name: str) -> object:
        async def authorize(*_: object) -> None:
            counted.append(name)

        return authorize

    monkeypatch.setattr(follow_events, "authorize_scope", authorizing("counted"))
    monkeypatch.setattr(follow_events, "scope_of", authorizing("checked"))
    services = SimpleNamespace(hub=Hub(clock))
    assert asyncio.run(count(follow_events._messages(None, services, SCOPE, Query(), 7))) == MESSAGES + 1  # type: ignore[arg-type]
    assert counted == ["counted"] * MESSAGES
