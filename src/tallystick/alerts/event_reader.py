"""Reading on in an organization's log: from memory what was just recorded, else from the journal or the store."""

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
from tallystick.search.scan import is_own, unstored
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index

MOST_EVENTS = 5000
IndexedRecord = tuple[int, Record]

# What alerts and their deliveries record themselves: no rule judges it, so that none can raise itself again.
ALERT_ACTIONS = frozenset({
    "audit_log.alert_triggered", "audit_log.alert_acknowledged", "audit_log.destination_failed",
    "audit_log.destination_recovered",
})  # fmt: skip


class EventReader:
    """Reads logs for rules. `recent`: what this process committed last."""

    def __init__(self, database: Database, store: EventStore, recent: Recent) -> None:
        self.database = database
        self.recent = recent
        self._store = store

    def read_next(self, org_id: UUID, first: int) -> tuple[list[IndexedRecord], int]:
        """The events from index `first` on, in order, about STEP of them; and the index after the last looked at."""
        if fresh := self.recent.read(org_id, first, most=MOST_EVENTS):
            return _indexed(fresh, first), fresh[-1].end
        with self.database.read() as connection:
            size = ledger_log.read(connection, org_id).size
            waiting = batches.read(connection, org_id, first, size, most=MOST_EVENTS)
            aside = set_aside.of_organization(connection, org_id)
        # The journal first: what leaves it meanwhile is in the store by then.
        journal_from = waiting[0].first if waiting else size
        if first < journal_from:
            end = min(journal_from, first + MOST_EVENTS)
            found = {i: record for i, record in aside if first <= i < end}
            for event in by_index(self._store, operator_scope(org_id), Query(), after=first - 1, through=end - 1):
                found.setdefault(event.index, record_of(event))
            return sorted(found.items()), end
        return _indexed(waiting, first), waiting[-1].end if waiting else first

    def candidates(self, org_id: UUID, query: Query, first: int, end: int) -> list[IndexedRecord]:
        """Of first ≤ index < end those that the store finds, and all that is not stored: judge them again."""
        scope = operator_scope(org_id)
        found = dict(unstored(self.database, scope, first, end))
        for event in by_index(self._store, scope, query, after=first - 1, through=end - 1):
            found.setdefault(event.index, record_of(event))
        return sorted(found.items())

    def read_event(self, org_id: UUID, index: int) -> Record | None:
        """The event at an index, if it is still kept."""
        found = self.candidates(org_id, Query(), index, index + 1)
        return found[0][1] if found else None


def _indexed(found: Sequence[Batch], first: int) -> list[IndexedRecord]:
    return [
        (index, record)
        for batch in found
        for index, record in enumerate(batch.records, batch.first)
        if index >= first
    ]  # fmt: skip


def is_evaluated(record: Record) -> bool:
    """Whether rules look at the event at all."""
    return record.action not in ALERT_ACTIONS or not is_own(record)
