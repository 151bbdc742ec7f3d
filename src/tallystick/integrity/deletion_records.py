"""The deletion records of a log: events that purges deleted or that are lost, and parts that erasures removed."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from tallystick.database.engine import Database
from tallystick.events.record import StoredEvent
from tallystick.journal.tables import lost_events
from tallystick.ledger import log as ledger_log
from tallystick.ledger.nodes import DetachedNodes
from tallystick.ledger.prover import entry_of_event
from tallystick.merkle.commitment import ENTRY_BYTES, PARTS
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.outbox.write import outbox
from tallystick.query.scope import Scope
from tallystick.retention.index_set import IndexSet, parse_ranges
from tallystick.retention.tables import prunings
from tallystick.search.scan import explanatory_records
from tallystick.store.events import EventStore

_object = msgspec.json.Decoder(dict[str, Any]).decode


class DeletionRecords:
    """The records of purges, losses and erasures of one log.

    Counts only records that the server itself wrote and that match their entry in the log: anybody who can change the
    event store could otherwise explain away what they deleted.
    """

    def __init__(self, database: Database, store: EventStore, scope: Scope) -> None:
        self._database = database
        self._store = store
        self._scope = scope
        self.refresh()

    def refresh(self) -> None:
        """Read all records again, including new ones."""
        nodes = DetachedNodes(self._database, self._scope.org_id)
        with self._database.read() as connection:
            end = ledger_log.read(connection, self._scope.org_id).size
        self._purges: list[tuple[int, list[tuple[int, int]]]] = []
        self._losses: list[tuple[int, int]] = []
        taken: dict[str, list[tuple[int, int]]] = {part: [] for part in PARTS}
        for event in explanatory_records(self._database, self._store, self._scope, end):
            self._add(event, nodes, taken)
        self.purged = IndexSet(pair for _, found in self._purges for pair in found)
        self.lost = IndexSet(self._losses)
        self.erased = {part: IndexSet(found) for part, found in taken.items()}

    def purged_before(self, time: int) -> IndexSet:
        """The events deleted by purges that were recorded before `time` (µs since 1970)."""
        return IndexSet(pair for received_at, found in self._purges if received_at < time for pair in found)

    def erased_parts(self, index: int) -> frozenset[str]:
        """The parts of this event that erasure records say were removed."""
        return frozenset(part for part, found in self.erased.items() if index in found)

    def explains_loss(self, index: int, parts: Sequence[str]) -> bool:
        """Whether erasure records explain that these parts of this event are missing."""
        return all(index in self.erased[part] for part in parts)

    def _add(self, event: StoredEvent, nodes: DetachedNodes, taken: dict[str, list[tuple[int, int]]]) -> None:
        position, place = divmod(event.index, TILE_WIDTH)
        entry = nodes.entries(position)[place * ENTRY_BYTES : (place + 1) * ENTRY_BYTES]
        try:
            if entry_of_event(event) != entry:
                return  # altered: explains nothing, and is reported as a difference itself
            what, metadata = _object(event.what), _object(event.details).get("metadata") or {}
            # A record can only explain events that were recorded before it.
            found = [one for one in parse_ranges(str(metadata["indexes"])) if one[1] < event.index]
        except (KeyError, ValueError, msgspec.DecodeError):
            return
        if what["action"] == "audit_log.pruned":
            self._purges.append((event.received_at, found))
        elif what["action"] == "audit_log.events_lost":
            self._losses += found
        elif what["action"] == "audit_log.subject_erased":
            for part in str(metadata.get("parts", "")).split(","):
                if part in taken:
                    taken[part] += found


def deletions_under_way(database: Database, scope: Scope) -> IndexSet:
    """The events that unfinished purges may be deleting now, and lost ones whose record is not in the log yet."""
    with database.read() as connection:
        texts = list(connection.execute(select(prunings.c.indexes).where(prunings.c.org_id == scope.org_id)).scalars())
        # SQLite gives the number of an entry again once it is gone; the time tells the entries apart.
        same = (outbox.c.entry_id == lost_events.c.entry_id) & (outbox.c.written_at == lost_events.c.accepted_at)
        waiting = select(lost_events.c.indexes).join(outbox, same)
        texts += connection.execute(waiting.where(lost_events.c.org_id == scope.org_id)).scalars()
    return IndexSet(pair for text in texts for pair in parse_ranges(text))
