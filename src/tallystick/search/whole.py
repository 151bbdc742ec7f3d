"""Events whole and in order of index, as evidence needs them: also those that the store does not hold yet."""

from collections.abc import Iterator

from tallystick.database.engine import Database
from tallystick.events.record import Record, StoredEvent
from tallystick.journal import batches, set_aside
from tallystick.query.conditions import Query
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


def _unstored(database: Database, scope: Scope, first: int, end: int) -> Iterator[tuple[int, Record]]:
    with database.read() as connection:
        waiting = batches.read(connection, scope.org_id, first, end)
        aside = set_aside.of_organization(connection, scope.org_id)
    for batch in waiting:
        for index, record in enumerate(batch.records, batch.first):
            if first <= index < end:
                yield index, record
    yield from ((index, record) for index, record in aside if first <= index < end)
