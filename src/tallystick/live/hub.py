"""The hub of live views: admits viewers, and gives them the events of their query as they are committed."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import select

from tallystick import telemetry
from tallystick.database.engine import Database
from tallystick.errors import TooMany
from tallystick.ledger.tables import logs
from tallystick.live.batch import LiveBatch
from tallystick.live.channel import Channels, Encode, LiveSubscription
from tallystick.live.matching import LiveMatcher
from tallystick.live.replay import LiveReplay
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.events import EventStore
from tallystick.work.background import Background

HEARTBEAT_SECONDS = 15.0
MOST_VIEWERS = 500
RETRY_SECONDS = 10
MOST_MISSED = 1_000  # events that a view may have missed since it was open; no more than a page of a search holds


def next_index(database: Database, org_id: UUID) -> int:
    """Returns the index that the organization's next event will get."""
    with database.read() as connection:
        return int(connection.execute(select(logs.c.size).where(logs.c.org_id == org_id)).scalar() or 0)


def is_stream(after: int, end: int) -> bool:
    """Whether a view that begins after index `after` reads the log so far, as a stream does, before it follows it.

    `end` is the index of the next event. A view that was interrupted goes on shortly before it.
    """
    return -1 <= after < end - 1 and (after == -1 or end - 1 - after > MOST_MISSED)


class LiveHub:
    """The live views of one process. `notify` may be called from any thread, everything else on the event loop.

    At most `most_viewers` views are open: a fifth of them may be of one organization, a tenth of one key or person.
    """

    def __init__(self, database: Database, store: EventStore, most_viewers: int = MOST_VIEWERS) -> None:
        self._database = database
        self._most = most_viewers
        self._open: Counter[UUID | tuple[UUID, str]] = Counter()  # by organization, and by its keys and people
        self._count = 0
        self._is_closing = False
        self._channels = Channels()
        self._replay = LiveReplay(database, store, self._channels, self._wake)
        self._matcher = LiveMatcher(database, self._channels, self._replay.wake)
        self.workers: tuple[Background, ...] = (self._matcher, self._replay)

    def start(self) -> None:
        """Binds the hub to the running event loop, which serves the API and the pages."""
        self._channels.bind(asyncio.get_running_loop())

    def notify(self, org_id: UUID, _end: int) -> None:
        """Says that events of an organization were committed; costs next to nothing, whoever views."""
        if self._channels.has(org_id):
            self._matcher.wake()

    def access_changed(self) -> None:
        """Says that somebody's access may have ended: each view yields a message at once. Called from any thread."""
        self._channels.nudge_all()

    def close(self) -> None:
        """Ends every live view, so that the server can stop."""
        self._is_closing = True
        self._channels.end_all()

    def check_places(self, scope: Scope) -> None:
        """Raises TooMany (`too_many_viewers`) if all places are taken, or those of the organization, key or person."""
        if (
            self._count >= self._most
            or self._open[scope.org_id] >= max(1, self._most // 5)
            or self._open[scope.org_id, scope.principal.id] >= max(1, self._most // 10)
        ):
            detail = "Too many live views are open. Close one, or try again later."
            raise TooMany(detail, code="too_many_viewers", retry_after=RETRY_SECONDS)

    @contextmanager
    def viewing(self, scope: Scope) -> Iterator[None]:
        """Takes the place of one more view until the block ends, in whatever way. Raises TooMany as `check_places`."""
        self.check_places(scope)
        self._count_view(scope, 1)
        try:
            yield
        finally:
            self._count_view(scope, -1)

    def _count_view(self, scope: Scope, by: int) -> None:
        self._count += by
        for one in (scope.org_id, (scope.org_id, scope.principal.id)):
            self._open[one] += by
            if not self._open[one]:
                del self._open[one]
        telemetry.live_viewers.set(self._count)

    async def follow(self, scope: Scope, query: Query, after: int | None, encode: Encode) -> AsyncGenerator[bytes]:
        """Yields the messages of batches of matching events after index `after` (None: from now on), and the message of
        an empty batch at least every HEARTBEAT_SECONDS, and soon after `access_changed`.

        A view survives an outage of the event store and continues when it is back. A viewer that is slow to take its
        messages is given the rest from the journal or the event store, once it has taken them.
        """
        position = after
        if position is None:
            position = await self._database.run(next_index, self._database, scope.org_id) - 1
        subscription: LiveSubscription | None = None
        last_yield_at = time.monotonic()
        try:
            while not self._is_closing:
                if subscription is None:
                    subscription = self._channels.subscribe(scope, query, position, encode)
                    self._matcher.wake()
                due = last_yield_at + HEARTBEAT_SECONDS - time.monotonic()
                arrived = await subscription.next(max(0.0, due))
                if arrived is None and subscription.is_ended:
                    subscription = None
                    continue
                position, message = arrived or (position, b"")
                is_nudged, subscription.is_nudged = subscription.is_nudged, False
                if not message and (due <= 0 or is_nudged):
                    message = encode(LiveBatch((), position))
                if message:
                    last_yield_at = time.monotonic()
                    yield message
        finally:
            if subscription is not None:
                self._channels.unsubscribe(scope.org_id, subscription)

    def _wake(self) -> None:
        self._matcher.wake()
