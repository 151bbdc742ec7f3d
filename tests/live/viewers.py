"""Live views of a test: they are opened, the workers take steps, and what each viewer was given is read."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec

from tallystick.live.batch import LiveBatch
from tallystick.live.channel import Encode
from tallystick.live.hub import LiveHub
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.grammar import parse
from tests.fixtures.spine import Spine

TURNS = 100  # of the event loop: what was put for a viewer reaches it within a few, and nothing else is awaited


def indexes_of(batch: LiveBatch) -> bytes:
    """A message: the indexes of the events, then the index up to which all was checked."""
    return msgspec.json.encode([[event.index for event in batch.events], batch.through])


class LiveViewer:
    """What one viewer was given."""

    def __init__(self, messages: AsyncGenerator[bytes]) -> None:
        self._messages = messages
        self._next: asyncio.Task[bytes] | None = None

    async def indexes(self) -> list[int]:
        """The indexes of all events that have arrived since the last call."""
        found: list[int] = []
        while True:
            if self._next is None:
                self._next = asyncio.ensure_future(anext(self._messages))
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if not self._next.done():
                return found
            found += msgspec.json.decode(self._next.result())[0]
            self._next = None

    async def leave(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        await self._messages.aclose()


class Viewing:
    """Live views of organizations; nothing is matched until a test says so."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.hub = LiveHub(spine.database, spine.store)
        self.matcher, self.replay = self.hub._matcher, self.hub._replay

    def run(self, test: Callable[[], Awaitable[None]]) -> None:
        """Run a test on an event loop that serves the viewers."""

        async def bound() -> None:
            self.hub.start()
            await test()

        asyncio.run(bound())

    async def view(self, scope: Scope, search: str, after: int, encode: Encode = indexes_of) -> LiveViewer:
        """A viewer of the events after an index."""
        viewer = LiveViewer(self.hub.follow(scope, Query(parse(search, now=0)), after, encode))
        assert await viewer.indexes() == []
        return viewer

    def record(self, scope: Scope, *descriptions: str) -> list[int]:
        """Record events; their indexes."""
        events = [{"action": "thing.done", "description": text} for text in descriptions]
        return [event.index for event in self.spine.record(scope, *events).events]

    def match(self) -> None:
        """Let the workers move every channel to the end of its log."""
        for _ in range(1000):
            if not (self.matcher.step() | self.replay.step()):
                return
        raise AssertionError("matching does not end")


async def indexes_of_all(viewers: Sequence[LiveViewer]) -> list[list[int]]:
    """The indexes of the events that each has been given since the last call."""
    return [await viewer.indexes() for viewer in viewers]
