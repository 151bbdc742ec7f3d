"""Events whole and in order of index, as evidence needs them: also those that the store does not hold yet."""

from collections.abc import Iterator

from sqlalchemy import select

from tallystick.database.engine import Database
from tallystick.events.lasting import LASTING
from tallystick.events.record import Record, StoredEvent
from tallystick.journal import batches, set_aside
from tallystick.ledger.tables import logs
from tallystick.query.conditions import Equals, Query
from tallystick.query.scope import Scope
from tallystick.search.match import compile_match
from tallystick.search.paging import stored_of
from tallystick.store.bounds import within
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index

STEP = 5_000


def in_order_of_index(
    database: Database, store: EventStore, scope: Scope, query: Query, first: int, end: int
) -> Iterator[list[StoredEvent]]:
    """Every match of first ≤ index < end, block by block; memory is bounded, whatever is between."""
    matches = compile_match(within(scope, query))
    for start in range(first, end, STEP):
        stop = min(start + STEP, end)
        # The journal first: what leaves it meanwhile is in the store by then, and doubles are dropped.
        found = {
            index: stored_of(index, record)
            for index, record in _unstored(database, scope, start, stop)
            if matches(record)
        }
        for event in by_index(store, scope, query, after=start - 1, through=stop - 1):
            found.setdefault(event.index, event)
        if found:
            yield [found[index] for index in sorted(found)]


def records(database: Database, store: EventStore, scope: Scope, end: int) -> Iterator[StoredEvent]:
    """Tallystick's own records below index `end` that explain what is missing from the trail, in order of index."""
    query = Query(Equals("action", LASTING))
    with database.read() as connection:
        row = select(logs.c.stored_end).where(logs.c.org_id == scope.org_id)
        stored = min(int(connection.execute(row).scalar() or 0), end)
    matches = compile_match(within(scope, query))
    # They are few: what is stored of them is asked for at once.
    found = {event.index: event for event in by_index(store, scope, query, after=-1, through=stored - 1)}
    found |= {i: stored_of(i, record) for i, record in _unstored(database, scope, 0, stored) if matches(record)}
    yield from (found[index] for index in sorted(found))
    for block in in_order_of_index(database, store, scope, query, stored, end):
        yield from block


def _unstored(database: Database, scope: Scope, first: int, end: int) -> Iterator[tuple[int, Record]]:
    with database.read() as connection:
        waiting = batches.read(connection, scope.org_id, first, end)
        aside = set_aside.of_organization(connection, scope.org_id)
    for batch in waiting:
        for index, record in enumerate(batch.records, batch.first):
            if first <= index < end:
                yield index, record
    yield from ((index, record) for index, record in aside if first <= index < end)
