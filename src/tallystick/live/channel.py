"""Channels: a query of an organization at a position in its log, with all viewers that follow it from there."""

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from functools import cached_property
from typing import Any
from uuid import UUID

from tallystick.events.action_catalogue import ActionCatalogue
from tallystick.live.batch import LiveBatch, LiveEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.match import Selection, compile_selection
from tallystick.store.bounds import with_mandatory_filter
from tallystick.work.stop_signal import TimeSlice

Encode = Callable[[LiveBatch], bytes]
"""Makes the message of a batch. Viewers with equal (and hashable) functions are given the same bytes."""

NEAR = 1_000  # events: a viewer joins a channel that is so far behind it, and leaves out what it has seen
MOST_WAITING_BYTES = 1 << 20  # for one viewer; above it, the viewer continues later from where it is


class LiveSubscription:
    """A viewer's place in a channel. Messages wait in it until the viewer takes them. Used on the event loop."""

    def __init__(self, position: int, encode: Encode) -> None:
        self.seen = position  # changed by the channel alone
        self.encode = encode
        self.is_ended = False
        self.is_nudged = False
        self._messages: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    def put(self, through: int, message: bytes) -> None:
        """Add what comes next: all up to index `through` was checked; the message is empty if nothing matched."""
        if not message and self._messages and not self._messages[-1][1]:
            self._messages.pop()
        self._messages.append((through, message))
        self._bytes += len(message)
        self._arrived.set()

    def end(self) -> None:
        """Say that no more will come: the viewer takes what waits, and subscribes again."""
        self.is_ended = True
        self._arrived.set()

    def nudge(self) -> None:
        """Have the viewer look up now: its access may have ended."""
        self.is_nudged = True
        self._arrived.set()

    @property
    def is_full(self) -> bool:
        """Whether more waits than is held for a viewer."""
        return self._bytes > MOST_WAITING_BYTES

    async def next(self, seconds: float) -> tuple[int, bytes] | None:
        """The next message and the index up to which events were checked.

        None if there is none within `seconds`, or when the viewer was nudged.
        """
        if not self._messages and not self.is_ended and not self.is_nudged:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), seconds)
            except TimeoutError:
                return None
        if not self._messages:
            return None
        through, message = self._messages.popleft()
        self._bytes -= len(message)
        return through, message


class Channel:
    """A query with its scope's filter, at a position: all events up to and including that index were checked."""

    def __init__(self, scope: Scope, query: Query, position: int) -> None:
        self.scope = scope
        self.query = query
        self.position = position
        self.is_replayed = False  # whether what comes next is in the event store
        self.width = NEAR  # of the next replayed range
        self.subscriptions: set[LiveSubscription] = set()
        self._compiled: tuple[ActionCatalogue | None, Selection | None] = None, None

    @property
    def org_id(self) -> UUID:
        """The organization whose events it reads."""
        return self.scope.org_id

    @cached_property
    def key(self) -> Hashable:
        """Equal for channels that find the same events: one organization, one filter of the scope, one query."""
        return self.scope.org_id, self.scope.mandatory, self.query.condition, self.query.start, self.query.end

    def selection(self, catalogue: ActionCatalogue) -> Selection:
        """Selects the matching events of a block; compiled again when the organization's catalogue has changed."""
        known, select = self._compiled
        if known is not catalogue or select is None:
            query = with_mandatory_filter(self.scope, catalogue.expand_query(self.query))
            select = compile_selection(query)
            self._compiled = catalogue, select
        return select


class Channels:
    """All channels of a process. Thread-safe: viewers come and go on the event loop, workers read in their threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[UUID, list[Channel]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the event loop that serves the viewers."""
        self._loop = loop

    def subscribe(self, scope: Scope, query: Query, position: int, encode: Encode) -> LiveSubscription:
        """Begin to follow the events after index `position`, in a channel that is there already if one is."""
        subscription = LiveSubscription(position, encode)
        made = Channel(scope, query, position)
        with self._lock:
            channels = self._channels.setdefault(scope.org_id, [])
            for channel in channels:
                if 0 <= position - channel.position <= NEAR and channel.key == made.key and not channel.is_replayed:
                    channel.subscriptions.add(subscription)
                    return subscription
            made.subscriptions.add(subscription)
            channels.append(made)
        return subscription

    def unsubscribe(self, org_id: UUID, subscription: LiveSubscription) -> None:
        """End a viewer's subscription; a channel without viewers ends."""
        with self._lock:
            for channel in list(self._channels.get(org_id, ())):
                channel.subscriptions.discard(subscription)
                if not channel.subscriptions:
                    self._remove(channel)

    def has(self, org_id: UUID) -> bool:
        """Whether the organization has viewers. Waits for nobody: recording asks this."""
        return org_id in self._channels

    def organizations(self) -> list[UUID]:
        """The organizations that have viewers."""
        with self._lock:
            return list(self._channels)

    def of(self, org_id: UUID, *, replayed: bool) -> list[Channel]:
        """The channels of an organization whose next events are, or are not, in the event store."""
        with self._lock:
            return [channel for channel in self._channels.get(org_id, ()) if channel.is_replayed == replayed]

    def publish(self, channel: Channel, events: list[LiveEvent], through: int, turn: TimeSlice) -> None:
        """Move a channel to index `through`, and give the matching events before it to its viewers.

        Each distinct message is encoded once, by the caller's thread. Where there are so many that the turn is over,
        the viewers of the others subscribe again from where they are. An error of an encoder is raised once the viewers
        of the others have their messages.
        """
        with self._lock:
            groups: defaultdict[tuple[Encode, int], list[LiveSubscription]] = defaultdict(list)
            for subscription in channel.subscriptions:
                # Who joined ahead of the channel has seen some of these events.
                groups[subscription.encode, max(subscription.seen, channel.position)].append(subscription)
                subscription.seen = max(subscription.seen, through)
            channel.position = through
        failure: Exception | None = None
        for place, ((encode, seen), subscriptions) in enumerate(groups.items()):
            if place and events and turn.is_over():
                self._call(self._end, channel, subscriptions)
                continue
            unseen = [event for event in events if event.index > seen]
            try:
                message = encode(LiveBatch(unseen, through)) if unseen else b""
            except Exception as error:
                failure = error
                self._call(self._end, channel, subscriptions)  # they subscribe again from what they were given last
                continue
            if through > seen:
                self._call(self._deliver, channel, subscriptions, through, message)
        if failure is not None:
            raise failure

    def merge(self, org_id: UUID) -> None:
        """Make one channel of those of one query at one position; called by the worker that moves them."""
        with self._lock:
            kept: dict[Hashable, Channel] = {}
            for channel in list(self._channels.get(org_id, ())):
                if channel.is_replayed:
                    continue
                first = kept.setdefault((channel.key, channel.position), channel)
                if first is not channel:
                    first.subscriptions |= channel.subscriptions
                    channel.subscriptions.clear()
                    self._remove(channel)

    def end_all(self) -> None:
        """End every subscription; called on the event loop."""
        with self._lock:
            subscriptions = self._subscriptions()
            self._channels.clear()
        for subscription in subscriptions:
            subscription.end()

    def nudge_all(self) -> None:
        """Have every viewer look up soon; called from any thread."""
        with self._lock:
            subscriptions = self._subscriptions()
        for subscription in subscriptions:
            self._call(subscription.nudge)

    def _subscriptions(self) -> list[LiveSubscription]:
        return [one for channels in self._channels.values() for channel in channels for one in channel.subscriptions]

    def _deliver(
        self, channel: Channel, subscriptions: Iterable[LiveSubscription], through: int, message: bytes
    ) -> None:
        for subscription in subscriptions:
            if subscription.is_ended:
                continue
            subscription.put(through, message)
            if subscription.is_full:
                self._end(channel, [subscription])

    def _end(self, channel: Channel, subscriptions: Iterable[LiveSubscription]) -> None:
        for subscription in subscriptions:
            subscription.end()
            self.unsubscribe(channel.org_id, subscription)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function, *arguments)

    def _remove(self, channel: Channel) -> None:
        channels = self._channels.get(channel.org_id, [])
        if channel in channels:
            channels.remove(channel)
        if not channels:
            self._channels.pop(channel.org_id, None)
