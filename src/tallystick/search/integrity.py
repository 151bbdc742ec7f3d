"""The comparison behind the integrity check: each stored event with its log entry, each copied column with its part."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from tallystick.clock import rfc3339
from tallystick.database.engine import Database
from tallystick.events.copies import record_of, stamp_of
from tallystick.events.record import StoredEvent
from tallystick.ledger.nodes import DetachedNodes
from tallystick.ledger.prover import entry_of_event
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.remains import lost_parts
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.query.scope import Scope
from tallystick.store.copied_columns import differing_columns, rows_with_copies
from tallystick.store.events import EventStore
from tallystick.work.stop_signal import check_stop

SLICE = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong with the stored event at this index."""

    index: int
    problem: str


def differences(database: Database, store: EventStore, scope: Scope, first: int, end: int) -> Iterator[Difference]:
    """The differences among the stored events with first ≤ index < end, ordered by index.

    Events missing from the store are not looked for: they may wait in the journal, or have expired.
    """
    nodes = DetachedNodes(database, scope.org_id)
    position, entries = -1, b""
    before = -1
    for start in range(first, end, SLICE):
        check_stop()
        for event, copies in rows_with_copies(store, scope, start, min(start + SLICE, end)):
            if event.index // TILE_WIDTH != position:
                position = event.index // TILE_WIDTH
                entries = nodes.entries(position)
            place = event.index % TILE_WIDTH * ENTRY_BYTES
            problem = _problem(event, entries[place : place + ENTRY_BYTES], copies)
            if event.index == before:
                problem = "it is stored twice"
            before = event.index
            if problem:
                yield Difference(event.index, problem)


def _problem(event: StoredEvent, entry: bytes, copies: dict[str, object]) -> str:
    if not entry:
        return "it has no entry in the log"
    try:
        if entry_of_event(event) != entry:
            return "its parts do not give its entry in the log"
        if any(getattr(event, part) for part in lost_parts(event.remains)):
            return "it holds a part that is said to be erased"
        wrong = differing_columns(record_of(event, entry), copies)
        stamp = stamp_of(event)
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        return f"its parts cannot be read: {error!r}"
    if stamp is not None and stamp != rfc3339(event.occurred_at):
        wrong.append("occurred_at")
    return f"{', '.join(wrong)} is not what its parts say" if wrong else ""
