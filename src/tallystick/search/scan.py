"""Scans whole events up to an index: by index, as evidence needs them, or newest first, as people read them."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from sqlalchemy import select

from tallystick.actions.catalogues import read_catalogue
from tallystick.database.engine import Database
from tallystick.events.catalogue import LASTING
from tallystick.events.record import Record, StoredEvent, with_catalogue
from tallystick.journal import batches, set_aside
from tallystick.ledger.tables import logs
from tallystick.query.conditions import And, Query, RecordedByTallystick, exactly
from tallystick.query.scope import Scope
from tallystick.search.match import compile_match
from tallystick.search.paging import as_stored_event
from tallystick.store.bounds import with_mandatory_filter
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index, stream_all
from tallystick.work.stop_signal import check_stop

STEP = 5_000
WIDEST = 64  # steps: what one question reads is bounded, whatever it finds
RECORDS_AT_ONCE = 100  # each may be as large as an event can be
JOURNAL_EVENTS = 5_000  # read from the journal at once
STREAM_SECONDS = 20.0


def in_order_of_index(
    database: Database, store: EventStore, scope: Scope, query: Query, first: int, end: int
) -> Iterator[list[StoredEvent]]:
    """Every match with first ≤ index < end, ordered by index, block by block, in bounded memory.

    Where few stored events match, each statement covers a wider range.
    """
    with database.read() as connection:
        catalogue = read_catalogue(connection, scope.org_id)
        found_end = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == scope.org_id)).scalar()
    stored_end = int(found_end or 0)
    query = catalogue.expand_query(query)
    matches = compile_match(with_mandatory_filter(scope, query))
    start, width = first, STEP
    while start < end:
        check_stop()
        stop = min(start + STEP if start >= stored_end else min(start + width, stored_end), end)
        # The journal first: what leaves it meanwhile is in the store by then, and doubles are dropped.
        waiting = [(index, record) for index, record in read_unstored(database, scope, start, stop) if matches(record)]
        stored = by_index(store, scope, query, after=start - 1, through=stop - 1, limit=STEP)
        width = min(width * 2, WIDEST * STEP) if len(stored.events) < STEP // 4 else STEP
        stop = min(stop, stored.reached + 1)
        found = {index: as_stored_event(index, record) for index, record in waiting if index < stop}
        for event in stored.events:
            found.setdefault(event.index, event)
        if found:
            yield with_catalogue((found[index] for index in sorted(found)), catalogue)
        start = stop


def newest_first(
    database: Database,
    store: EventStore,
    scope: Scope,
    query: Query,
    end: int,
    first: int = 0,
    let_others: Callable[[], object] = lambda: None,
) -> Generator[list[StoredEvent]]:
    """Every match with first ≤ index < end, newest timestamp first, block by block. All must be stored already.

    Set-aside events come in their place among the others. `let_others` is called every STREAM_SECONDS, while no answer
    of the event store is half read: a server gives up one that is not read for a while.
    """
    with database.read() as connection:
        catalogue = read_catalogue(connection, scope.org_id)
        aside = set_aside.of_organization(connection, scope.org_id)
    query = catalogue.expand_query(query)
    matches = compile_match(with_mandatory_filter(scope, query))
    left = sorted(
        (as_stored_event(i, record) for i, record in aside if first <= i < end and matches(record)), key=_place
    )
    reached: tuple[int, int] | None = None
    is_complete = False
    while not is_complete:
        ends = time.monotonic() + STREAM_SECONDS
        with closing(stream_all(store, scope, query, "desc", first=first, below=end, after=reached)) as blocks:
            for block in blocks:
                check_stop()
                reached = _place(block[-1]) if block else reached
                if left and block:
                    later = [one for one in left if _place(one) > _place(block[-1])]
                    left = left[: len(left) - len(later)]
                    block = sorted([*block, *later], key=_place, reverse=True)
                yield with_catalogue(block, catalogue)
                if time.monotonic() > ends:
                    break
            else:
                is_complete = True
        if not is_complete:
            let_others()
    if left:
        yield with_catalogue(left[::-1], catalogue)


def _place(event: StoredEvent) -> tuple[int, int]:
    return event.occurred_at, event.index


def explanatory_records(database: Database, store: EventStore, scope: Scope, end: int) -> Iterator[StoredEvent]:
    """Tallystick's own records below index `end` that explain missing events, ordered by index."""
    query = Query(And((exactly("action", *LASTING), RecordedByTallystick())))
    with database.read() as connection:
        row = select(logs.c.stored_end).where(logs.c.org_id == scope.org_id)
        stored = min(int(connection.execute(row).scalar() or 0), end)
    matches = compile_match(with_mandatory_filter(scope, query))
    beside = {
        i: as_stored_event(i, record) for i, record in read_unstored(database, scope, 0, stored) if matches(record)
    }
    after = -1
    while after < stored - 1:
        check_stop()
        page = by_index(store, scope, query, after=after, through=stored - 1, limit=RECORDS_AT_ONCE)
        last = page.reached
        found = {i: one for i, one in beside.items() if after < i <= last}
        found |= {event.index: event for event in page.events}
        yield from (found[index] for index in sorted(found))
        after = last
    for block in in_order_of_index(database, store, scope, query, stored, end):
        yield from block


def read_unstored(database: Database, scope: Scope, first: int, end: int) -> Iterator[tuple[int, Record]]:
    """The events with first ≤ index < end that are in the journal or set aside, each once.

    The journal is read piece by piece, so that a long backlog never lies in memory as a whole.
    """
    read: list[range] = []
    at = first
    while at < end:
        with database.read() as connection:
            waiting = batches.read(connection, scope.org_id, at, end, most=JOURNAL_EVENTS)
        for batch in waiting:
            yield from ((index, one) for index, one in enumerate(batch.records, batch.first) if at <= index < end)
            if read and read[-1].stop == batch.first:
                read[-1] = range(read[-1].start, batch.end)
            else:
                read.append(range(batch.first, batch.end))
        at = waiting[-1].end if waiting else end
    with database.read() as connection:
        aside = set_aside.of_organization(connection, scope.org_id)
    for index, record in aside:
        if first <= index < end and not any(index in indexes for indexes in read):
            yield index, record
