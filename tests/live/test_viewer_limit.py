"""How many live views can be open is a setting, and a view gives its place back in whatever way it ends."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from tallystick.access.scopes import operator_scope
from tallystick.app import build
from tallystick.errors import TooMany
from tallystick.http.streaming_response import StreamingResponse
from tallystick.ids import new_uuid
from tallystick.live.hub import LiveHub
from tallystick.settings import Settings

SCOPE = operator_scope(new_uuid(1))


@pytest.fixture
def hub(tmp_path) -> Iterator[LiveHub]:
    """One that admits two views of a person."""
    services = build(Settings.load({"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_LIVE_VIEWERS": "20"}))
    yield services.hub
    services.connections.close()
    services.finder.close()


def test_as_many_live_views_are_admitted_as_the_setting_says(hub: LiveHub) -> None:
    with hub.viewing(SCOPE):
        with hub.viewing(SCOPE), pytest.raises(TooMany):
            hub.check_places(SCOPE)
        hub.check_places(SCOPE)


async def chunks(hub: LiveHub, error: Exception | None) -> AsyncGenerator[bytes]:
    """Two messages, then an error, or nothing more for ever; meanwhile the place is taken."""
    assert hub._count == 1
    yield b"one"
    yield b"two"
    if error is not None:
        raise error
    await asyncio.Event().wait()


class Client:
    """The other side of a stream: takes `most` messages, then it disconnects, fails, or waits."""

    def __init__(self, most: int = 1000, *, fails: bool = False) -> None:
        self._left = most
        self._fails = fails
        self.begun = asyncio.Event()
        self.enough = asyncio.Event()

    async def send(self, _message: dict[str, Any]) -> None:
        self.begun.set()
        await asyncio.sleep(0)
        self._left -= 1
        if self._left <= 0:
            self.enough.set()
            if self._fails:
                raise OSError("the connection is gone")

    async def receive(self) -> dict[str, Any]:
        await self.enough.wait()
        return {"type": "http.disconnect"}


def response(hub: LiveHub, error: Exception | None = None) -> Any:
    made = StreamingResponse(
        chunks(hub, error), media_type="text/plain", headers={}, admission=partial(hub.viewing, SCOPE)
    )
    return made.to_asgi_response()


async def disconnects(hub: LiveHub) -> None:
    client = Client(2)
    await response(hub)({}, client.receive, client.send)


async def is_gone_before_the_first_byte(hub: LiveHub) -> None:
    client = Client(1, fails=True)
    await response(hub)({}, client.receive, client.send)


async def meets_an_error(hub: LiveHub) -> None:
    client = Client()
    await response(hub, RuntimeError("broken"))({}, client.receive, client.send)


async def is_cancelled(hub: LiveHub) -> None:
    client = Client()
    task = asyncio.ensure_future(response(hub)({}, client.receive, client.send))
    await client.begun.wait()
    assert hub._count == 1
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def is_cancelled_before_it_began(hub: LiveHub) -> None:
    client = Client()
    task = asyncio.ensure_future(response(hub)({}, client.receive, client.send))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def is_dropped(hub: LiveHub) -> None:
    response(hub)


@pytest.mark.parametrize(
    "way",
    [
        disconnects, is_gone_before_the_first_byte, meets_an_error, is_cancelled, is_cancelled_before_it_began,
        is_dropped,
    ],
)  # fmt: skip
def test_a_view_gives_its_place_back_in_whatever_way_it_ends(hub: LiveHub, way: Callable[[LiveHub], Any]) -> None:
    asyncio.run(way(hub))
    assert hub._count == 0
    assert not hub._open


def test_a_view_that_finds_all_places_taken_is_refused_before_its_first_byte(hub: LiveHub) -> None:
    client = Client()
    with hub.viewing(SCOPE), hub.viewing(SCOPE), pytest.raises(TooMany):
        asyncio.run(response(hub)({}, client.receive, client.send))
    assert client._left == 1000
