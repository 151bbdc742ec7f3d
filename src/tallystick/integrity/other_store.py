"""Reads the events of another event store.

The engine in the process opens one data directory for as long as the process lives: another one is read by a process of
its own, which sends the events through a pipe.
"""

from collections.abc import Generator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from uuid import UUID

import msgspec

from tallystick.access.scopes import operator_scope
from tallystick.events.record import StoredEvent
from tallystick.journal.missing_ranges import IndexRange
from tallystick.query.conditions import Query
from tallystick.store.clients import Bounds
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index

BLOCK_EVENTS = 2_000
STEP = 5_000  # indexes that one statement reads; more where few of them are there
WIDEST = 64 * STEP


class StoreMessage(msgspec.Struct):
    """What the reading process sends: a block of events, an error, or the end."""

    events: list[StoredEvent] = []
    error: str = ""


def read_other_store(url: str, org_id: UUID, ranges: Sequence[IndexRange]) -> Generator[list[StoredEvent]]:
    """Blocks of the organization's events within the ranges (first, last), ordered by index. StoreError."""
    if not url.startswith("chdb:"):
        yield from _read(url, org_id, ranges)
        return
    spawning = get_context("spawn")
    receiver, sender = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_send, args=(sender, url, org_id, list(ranges)), daemon=True)
    process.start()
    sender.close()
    try:
        while (message := _receive(receiver)).events:
            yield message.events
        if message.error:
            raise StoreError(message.error)
    finally:
        receiver.close()
        process.terminate()
        process.join()


def _receive(receiver: Connection) -> StoreMessage:
    try:
        return msgspec.msgpack.decode(receiver.recv_bytes(), type=StoreMessage)
    except EOFError:
        return StoreMessage(error="the process that read the other event store died")


def _send(sender: Connection, url: str, org_id: UUID, ranges: Sequence[IndexRange]) -> None:
    end = StoreMessage()
    try:
        for events in _read(url, org_id, ranges):
            sender.send_bytes(msgspec.msgpack.encode(StoreMessage(events)))
    except StoreError as error:
        end.error = str(error)[:1000]
    sender.send_bytes(msgspec.msgpack.encode(end))


def _read(url: str, org_id: UUID, ranges: Sequence[IndexRange]) -> Generator[list[StoredEvent]]:
    store, scope = EventStore(url, Bounds(clients=1)), operator_scope(org_id)
    try:
        for first, last in ranges:
            at, width = first - 1, STEP
            while at < last:
                through = min(at + width, last)
                found = by_index(store, scope, Query(), after=at, through=through, limit=BLOCK_EVENTS)
                width = min(width * 2, WIDEST) if len(found.events) < STEP // 4 else STEP
                at = found.reached
                if found.events:
                    yield found.events
    finally:
        store.close()
