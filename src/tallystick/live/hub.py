"""The hub of live views: wakes the followers of an organization when events are committed."""

import asyncio
import time
from collections.abc import AsyncGenerator
from uuid import UUID

from tallystick import telemetry
from tallystick.database.engine import Database
from tallystick.errors import TooMany
from tallystick.live.follow import Follower, LiveBatch, next_index
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore

HEARTBEAT_SECONDS = 15.0
# Commits of other processes do not wake followers here, so these also look by themselves.
POLL_SECONDS = 1.0
# Commits come up to hundreds of times a second; a page need not be updated as often.
GATHER_SECONDS = 0.1
MOST_FOLLOWERS = 500
MOST_ORGANIZATION_FOLLOWERS = 100  # so that one organization cannot use up all of MOST_FOLLOWERS


class LiveHub:
    """The live views of one process. `notify` may be called from any thread, everything else on the event loop."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self._database = database
        self._store = store
        self._followers: dict[UUID, set[asyncio.Event]] = {}
        self._count = 0
        self._closing = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Binds the hub to the running event loop, which serves the API and the pages."""
        self._loop = asyncio.get_running_loop()

    def notify(self, org_id: UUID, _end: int) -> None:
        """Wakes the followers of an organization in which events were committed."""
        loop = self._loop
        if loop is not None and org_id in self._followers and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake, org_id)

    def close(self) -> None:
        """Ends every live view, so that the server can stop."""
        self._closing.set()
        for org_id in list(self._followers):
            self._wake(org_id)

    def _wake(self, org_id: UUID) -> None:
        for follower in self._followers.get(org_id, ()):
            follower.set()

    def follow(self, scope: Scope, query: Query, after: int | None) -> AsyncGenerator[LiveBatch]:
        """Yields batches of matching events after index `after` (None: from now on), and an empty one at least every
        HEARTBEAT_SECONDS.

        A view survives an outage of the event store and continues when it is back. Raises TooMany
        (`too_many_viewers`) at once, not in the generator, so that the caller can still answer with an error.
        """
        followers = len(self._followers.get(scope.org_id, ()))
        if self._count >= MOST_FOLLOWERS or followers >= MOST_ORGANIZATION_FOLLOWERS:
            raise TooMany(
                "Too many live views are open. Close one, or try again later.", code="too_many_viewers", retry_after=10
            )
        return self._follow(scope, query, after)

    async def _follow(self, scope: Scope, query: Query, after: int | None) -> AsyncGenerator[LiveBatch]:
        follower = Follower(self._database, self._store, scope, query)
        position = (
            after if after is not None else await self._database.run(next_index, self._database, scope.org_id) - 1
        )
        woken = asyncio.Event()
        self._followers.setdefault(scope.org_id, set()).add(woken)
        self._count += 1
        telemetry.live_viewers.set(self._count)
        last_yield_at = time.monotonic()
        try:
            while not self._closing.is_set():
                woken.clear()
                batch = await self._read(follower, position)
                moved = batch.through > position
                position = batch.through
                if batch.events or time.monotonic() - last_yield_at >= HEARTBEAT_SECONDS:
                    last_yield_at = time.monotonic()
                    yield batch
                if moved:
                    continue
                try:
                    await asyncio.wait_for(woken.wait(), POLL_SECONDS)
                    await asyncio.sleep(GATHER_SECONDS)
                except TimeoutError:
                    pass
        finally:
            self._followers[scope.org_id].discard(woken)
            if not self._followers[scope.org_id]:
                del self._followers[scope.org_id]
            self._count -= 1
            telemetry.live_viewers.set(self._count)

    async def _read(self, follower: Follower, position: int) -> LiveBatch:
        try:
            return await self._database.run(follower.read, position)
        except StoreError:
            await asyncio.sleep(POLL_SECONDS)
            return LiveBatch([], position)
