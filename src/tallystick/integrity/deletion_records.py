"""What the log itself says is gone: the events that purges took, the parts that erasures took."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from tallystick.database.engine import Database
from tallystick.erasure.tables import erasures
from tallystick.events.record import StoredEvent
from tallystick.ledger import log as ledger_log
from tallystick.ledger.nodes import DetachedNodes
from tallystick.ledger.prover import entry_of_event
from tallystick.merkle.commitment import ENTRY_BYTES, PARTS
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.outbox.write import TALLYSTICK
from tallystick.query.scope import Scope
from tallystick.retention.indexes import pairs
from tallystick.retention.tables import prunings
from tallystick.search.scan import records
from tallystick.store.events import EventStore

_object = msgspec.json.Decoder(dict[str, Any]).decode


class Indexes:
    """A set of indexes, from first-last pairs in any order."""

    def __init__(self, found: Iterable[tuple[int, int]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in sorted(found):
            if self._last and first <= self._last[-1] + 1:
                self._last[-1] = max(self._last[-1], last)
            else:
                self._first.append(first)
                self._last.append(last)

    def __contains__(self, index: int) -> bool:
        return self.holds(index, index)

    def holds(self, first: int, last: int) -> bool:
        """Whether all from first to last are in it."""
        at = bisect_right(self._first, first) - 1
        return at >= 0 and last <= self._last[at]

    def pairs(self) -> list[tuple[int, int]]:
        """First-last pairs, ascending, neighbours joined."""
        return list(zip(self._first, self._last, strict=True))


class Explained:
    """The records of one log that stand in it as they were recorded. Read when they are first needed."""

    def __init__(self, database: Database, store: EventStore, scope: Scope) -> None:
        self._database = database
        self._store = store
        self._scope = scope
        self.refresh()

    def refresh(self) -> None:
        """Read the records again: there may be new ones."""
        nodes = DetachedNodes(self._database, self._scope.org_id)
        with self._database.read() as connection:
            end = ledger_log.read(connection, self._scope.org_id).size
        self._purges: list[tuple[int, list[tuple[int, int]]]] = []
        taken: dict[str, list[tuple[int, int]]] = {part: [] for part in PARTS}
        for event in records(self._database, self._store, self._scope, end):
            self._take(event, nodes, taken)
        self.purged = Indexes(pair for _, found in self._purges for pair in found)
        self.erased = {part: Indexes(found) for part, found in taken.items()}

    def purged_before(self, time: int) -> Indexes:
        """What purges took whose records are older than that (microseconds)."""
        return Indexes(pair for received_at, found in self._purges if received_at < time for pair in found)

    def should_lack(self, index: int) -> frozenset[str]:
        """The parts that erasures took of this event, as the log says."""
        return frozenset(part for part, found in self.erased.items() if index in found)

    def explains_loss(self, index: int, parts: Sequence[str]) -> bool:
        """Whether erasures account for these parts of this event."""
        return all(index in self.erased[part] for part in parts)

    def _take(self, event: StoredEvent, nodes: DetachedNodes, taken: dict[str, list[tuple[int, int]]]) -> None:
        position, place = divmod(event.index, TILE_WIDTH)
        entry = nodes.entries(position)[place * ENTRY_BYTES : (place + 1) * ENTRY_BYTES]
        try:
            if entry_of_event(event) != entry:
                return  # not as it was recorded: explains nothing, and is a difference by itself
            what, said = _object(event.what), _object(event.details).get("metadata") or {}
            by = what.get("recorded_by")
            if by != {"type": TALLYSTICK.kind, "id": TALLYSTICK.id, "name": TALLYSTICK.name}:
                return
            # A record covers only what was there before it.
            found = [one for one in pairs(str(said["indexes"])) if one[1] < event.index]
        except (KeyError, ValueError, msgspec.DecodeError):
            return
        if what["action"] == "audit_log.pruned":
            self._purges.append((event.received_at, found))
        elif what["action"] == "audit_log.subject_erased":
            for part in str(said.get("parts", "")).split(","):
                if part in taken:
                    taken[part] += found


def purges_under_way(database: Database, scope: Scope) -> Indexes:
    """What purges that have not ended may be deleting now."""
    with database.read() as connection:
        texts = connection.execute(select(prunings.c.indexes).where(prunings.c.org_id == scope.org_id)).scalars().all()
    return Indexes(pair for text in texts for pair in pairs(text))


def erasure_under_way(database: Database, scope: Scope) -> bool:
    """Whether an erasure that two people decided upon may be taking parts now, for the first time or again."""
    going = (erasures.c.org_id == scope.org_id) & (erasures.c.state == "confirmed") & erasures.c.finished_at.is_(None)
    with database.read() as connection:
        return connection.execute(select(erasures.c.erasure_id).where(going).limit(1)).first() is not None
