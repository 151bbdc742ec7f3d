"""Reads the events after an index for a live view: from the event store, or from the journal if not stored yet."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select

from tallystick.database.engine import Database
from tallystick.events.record import Record, StoredEvent
from tallystick.journal import batches, set_aside
from tallystick.ledger.tables import logs
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.match import compile_match
from tallystick.search.paging import as_stored_event
from tallystick.store.bounds import with_mandatory_filter
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index

STEP = 1000


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """The matching events in index order; all events up to and including index `through` were checked."""

    events: list[StoredEvent]
    through: int


def next_index(database: Database, org_id: UUID) -> int:
    """Returns the index that the organization's next event will get."""
    with database.read() as connection:
        return _size(connection, org_id)


def _size(connection: Connection, org_id: UUID) -> int:
    return int(connection.execute(select(logs.c.size).where(logs.c.org_id == org_id)).scalar() or 0)


class Follower:
    """Reads events for one live view. `read` blocks; call it in a worker thread, one call at a time."""

    def __init__(self, database: Database, store: EventStore, scope: Scope, query: Query) -> None:
        self._database = database
        self._store = store
        self._org_id = scope.org_id
        self._scope = scope
        self._query = query
        self._matches: Callable[[Record], bool] = compile_match(with_mandatory_filter(scope, query))

    def read(self, after: int) -> LiveBatch:
        """Returns the matching events after index `after`, checking about STEP events of the log at most."""
        with self._database.read() as connection:
            size = _size(connection, self._org_id)
            if size <= after + 1:
                return LiveBatch([], after)
            waiting = batches.read(connection, self._org_id, after + 1, size, most=STEP)
            set_aside_events = set_aside.of_organization(connection, self._org_id)
        # The journal was read first: an event leaves it only once the store has it, so that none is missed.
        journal_from = waiting[0].first if waiting else size
        if after + 1 < journal_from:
            through = min(journal_from - 1, after + STEP)
            return LiveBatch(self._stored(after, through, set_aside_events), through)
        found = [
            as_stored_event(index, record)
            for batch in waiting
            for index, record in enumerate(batch.records, batch.first)
            if index > after and self._matches(record)
        ]
        return LiveBatch(found, waiting[-1].end - 1)

    def _stored(self, after: int, through: int, set_aside_events: list[tuple[int, Record]]) -> list[StoredEvent]:
        rows = by_index(self._store, self._scope, self._query, after=after, through=through)
        aside = [
            as_stored_event(index, record)
            for index, record in set_aside_events
            if after < index <= through and self._matches(record)
        ]
        found = {event.index: event for event in [*rows, *aside]}
        return [found[index] for index in sorted(found)]
