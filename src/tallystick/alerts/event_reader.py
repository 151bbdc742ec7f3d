"""Reads the events that rules evaluate: recent ones from memory, others from the journal or the event store."""

from collections.abc import Sequence
from uuid import UUID

from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.events.copies import record_of
from tallystick.events.record import Record
from tallystick.journal import batches, set_aside
from tallystick.journal.batches import Batch
from tallystick.journal.recent import Recent
from tallystick.ledger import log as ledger_log
from tallystick.query.conditions import Query
from tallystick.query.own_records import is_own_record
from tallystick.search.scan import read_unstored
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index

IndexedRecord = tuple[int, Record]

# Actions that alerts and their deliveries record. No rule evaluates these events, so that no alert triggers itself.
ALERT_ACTIONS = frozenset(
    {
        "audit_log.alert_triggered",
        "audit_log.alert_acknowledged",
        "audit_log.destination_failed",
        "audit_log.destination_recovered",
    }
)


class EventReader:
    """Reads events by index. `recent` holds the events that this process committed last."""

    def __init__(self, database: Database, store: EventStore, recent: Recent) -> None:
        self.database = database
        self.recent = recent
        self._store = store

    def read_next(self, org_id: UUID, first: int, *, most: int) -> tuple[list[IndexedRecord], int]:
        """Returns about `most` events from index `first` on, in index order, and the index after the last read."""
        if fresh := self.recent.read(org_id, first, most=most):
            return _indexed(fresh, first), fresh[-1].end
        with self.database.read() as connection:
            size = ledger_log.read(connection, org_id).size
            waiting = batches.read(connection, org_id, first, size, most=most)
            aside = set_aside.of_organization(connection, org_id)
        # The journal was read first: an event leaves it only once the store has it, so that none is missed.
        journal_from = waiting[0].first if waiting else size
        if first < journal_from:
            end = min(journal_from, first + most)
            rows = by_index(self._store, operator_scope(org_id), Query(), after=first - 1, through=end - 1)
            end = rows.reached + 1
            found = {i: record for i, record in aside if first <= i < end}
            for event in rows.events:
                found.setdefault(event.index, record_of(event))
            return sorted(found.items()), end
        return _indexed(waiting, first), waiting[-1].end if waiting else first

    def candidates(self, org_id: UUID, query: Query, first: int, end: int) -> list[IndexedRecord]:
        """Returns the events first ≤ index < end that the store finds, and all that are not stored yet.

        The latter are not filtered: match them again.
        """
        scope = operator_scope(org_id)
        found = dict(read_unstored(self.database, scope, first, end))
        after = first - 1
        while after < end - 1:
            rows = by_index(self._store, scope, query, after=after, through=end - 1)
            for event in rows.events:
                found.setdefault(event.index, record_of(event))
            after = rows.reached
        return sorted(found.items())

    def read_event(self, org_id: UUID, index: int) -> Record | None:
        """Returns the event at an index, or None if it is not kept any more."""
        found = self.candidates(org_id, Query(), index, index + 1)
        return found[0][1] if found else None


def _indexed(batches: Sequence[Batch], first: int) -> list[IndexedRecord]:
    return [
        (index, record)
        for batch in batches
        for index, record in enumerate(batch.records, batch.first)
        if index >= first
    ]


def is_evaluated(record: Record) -> bool:
    """Whether rules evaluate the event: not if Tallystick recorded it because of an alert."""
    return record.action not in ALERT_ACTIONS or not is_own_record(record.what)
