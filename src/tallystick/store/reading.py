"""Reads a query's rows in order: in one statement where an index serves, else window by window within the time."""

from bisect import bisect_left
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from tallystick.events.record import Record, StoredEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.bounded_rows import MOST_BYTES, BoundedRows, bounded_rows, size_of
from tallystick.store.bounds import COUNTING, Bounded, compile_bounded
from tallystick.store.client_words import ClientWords
from tallystick.store.errors import StoreTimeout
from tallystick.store.events import EventStore
from tallystick.store.value_counts import MOST_ROWS, ValueCounts, top_sql, values_sql
from tallystick.store.windows import Budget, Direction, Place, Window, Windows, narrowed, order_by

_BOTH: tuple[Direction, Direction] = ("asc", "desc")

# What one try over everything may take of the budget before going window by window.
SHARE_OF_ONE_TRY = 0.5
IDS_AT_ONCE = 50


@dataclass(slots=True)
class ReadResult:
    """The rows read. If incomplete: `reached` is the last place read, `offset` the matches still to skip from there.

    `is_cut`: incomplete since the rows have bounded_rows.MOST_BYTES, not since the time ran out.
    """

    rows: list[StoredEvent] = field(default_factory=list)
    complete: bool = False
    is_cut: bool = False
    reached: Place | None = None
    offset: int = 0


def span_of(scope: Scope, query: Query) -> Bounded:
    """The scope and the query's period, without its condition."""
    return compile_bounded(scope, Query(start=query.start, end=query.end))


def in_order(
    store: EventStore,
    scope: Scope,
    query: Query,
    direction: Direction,
    *,
    start: Place | None,
    offset: int,
    need: int,
    budget: Budget,
) -> ReadResult:
    """Up to `need` rows after `start`, in timestamp order, skipping the first `offset` matches; fewer where they would
    have more than bounded_rows.MOST_BYTES."""
    bound = compile_bounded(scope, query)
    # An indexed query is answered in one statement nearly always. Where it is not (a rare word of common trigrams),
    # half of the time is left for windows, which always come some way.
    if not bound.scans:
        try:
            rows = _rows(
                store, bound, Window(start, None), direction, offset, need, budget.remaining() * SHARE_OF_ONE_TRY
            )
        except StoreTimeout:
            pass
        else:
            return ReadResult(rows.events, True) if not rows.is_cut else _cut(rows.events)
    found = ReadResult(reached=start, offset=offset)
    windows = Windows(store, span_of(scope, query), direction, start)

    def read(window: Window, seconds: float | None) -> bool:
        # An offset is skipped by counting whole windows: rows that nobody will see are not transferred.
        if found.offset:
            matches = _count(store, bound, window, direction, seconds)
            if matches <= found.offset:
                found.offset -= matches
                return False
        wanted, bytes_left = need - len(found.rows), MOST_BYTES - sum(map(size_of, found.rows))
        rows = _rows(store, bound, window, direction, found.offset, wanted, seconds, bytes_left)
        found.rows += rows.events
        found.is_cut = rows.is_cut
        found.offset = 0
        return rows.is_cut or len(found.rows) >= need

    windows.run(budget, read)
    if found.is_cut:
        return _cut(found.rows)
    found.complete = windows.complete or len(found.rows) >= need
    found.reached = windows.reached
    return found


def _cut(rows: list[StoredEvent]) -> ReadResult:
    return ReadResult(rows, is_cut=True, reached=(rows[-1].occurred_at, rows[-1].index))


class IndexedRows(NamedTuple):
    """Rows in order of index, and the index through which every match was read."""

    events: list[StoredEvent]
    reached: int


def by_index(
    store: EventStore,
    scope: Scope,
    query: Query,
    *,
    after: int,
    through: int,
    limit: int | None = None,
    most_bytes: int = MOST_BYTES,
) -> IndexedRows:
    """Rows with after < index ≤ through, ordered by index; at most `limit`, and fewer where they would have more than
    `most_bytes`."""
    bound = compile_bounded(scope, query)
    need = through - after if limit is None else limit
    rows = bounded_rows(
        store,
        f"{bound.where} AND seq > {{after:Int64}} AND seq <= {{through:Int64}}",
        "ORDER BY seq",
        bound.parameters | {"after": after, "through": through},
        need=max(0, need),
        most_bytes=most_bytes,
        settings=bound.settings,
    )
    is_part = rows.is_cut or len(rows.events) >= need > 0
    return IndexedRows(rows.events, rows.events[-1].index if is_part else through)


def by_ids(store: EventStore, scope: Scope, times: Mapping[bytes, int]) -> Iterator[StoredEvent]:
    """The events with these ids. `times` maps each id to the time it holds, in microseconds (whole milliseconds)."""
    bound = compile_bounded(scope, Query())
    # Those that were received together stand together.
    ordered = sorted((received_at, event_id) for event_id, received_at in times.items())
    for start in range(0, len(ordered), IDS_AT_ONCE):
        parameters = dict(bound.parameters)
        either = []
        for place, (received_at, event_id) in enumerate(ordered[start : start + IDS_AT_ONCE]):
            parameters |= {f"id{place}": str(UUID(bytes=event_id)), f"at{place}": received_at}
            either.append(
                f"(id = {{id{place}:UUID}} AND received_at >= fromUnixTimestamp64Micro({{at{place}:Int64}}, 'UTC') "
                f"AND received_at < fromUnixTimestamp64Micro({{at{place}:Int64}} + 1000, 'UTC'))"
            )
        yield from store.read(f"{bound.where} AND ({' OR '.join(either)})", "", parameters)


def stream_all(
    store: EventStore,
    scope: Scope,
    query: Query,
    direction: Direction,
    *,
    first: int = 0,
    below: int | None = None,
    after: Place | None = None,
) -> Generator[list[StoredEvent]]:
    """Every match in timestamp order, block by block; with `below`, only those with first ≤ index < below.

    `after`: a place in this order, behind which they begin.
    """
    where, parameters = narrowed(compile_bounded(scope, query), Window(after, None), direction)
    if below is None:
        return store.stream(where, order_by(direction), parameters)
    where = f"{where} AND seq >= {{first:UInt64}} AND seq < {{below:UInt64}}"
    return store.stream(where, order_by(direction), parameters | {"first": first, "below": below})


def extent(store: EventStore, scope: Scope, query: Query) -> tuple[int, int] | None:
    """The first and last timestamp (microseconds) within the query's period, whatever its condition; None without
    events."""
    span = span_of(scope, query)
    ends = [
        store.rows(
            f"SELECT toUnixTimestamp64Micro(occurred_at) FROM events WHERE {span.where} {order_by(direction)} LIMIT 1",
            span.parameters,
        )
        for direction in _BOTH
    ]
    return (ends[0][0][0], ends[1][0][0]) if all(ends) else None


def estimate_matches(store: EventStore, clients: ClientWords, scope: Scope, query: Query, seconds: float) -> int | None:
    """A fast count that may be too high; None if there is none for this query, or an exact count is as fast."""
    bound = compile_bounded(scope, query)
    if bound.estimate is None or bound.exact_count_is_cheap:
        return None
    budget = Budget(seconds)
    try:
        found = clients.has_any(bound, bound.estimate.in_clients, seconds)
        where = bound.estimate.anywhere if found else bound.estimate.words
        statement = f"SELECT count() FROM events WHERE {where}"
        rows = store.rows(statement, bound.parameters, seconds=budget.remaining(), settings=COUNTING)
    except StoreTimeout:
        return None
    return int(rows[0][0])


def count_matches(store: EventStore, scope: Scope, query: Query, budget: Budget) -> tuple[int, bool]:
    """The number of matching rows, and whether all rows were read in time."""
    counts, complete = _tally(store, scope, query, "", "", budget)
    return counts.get((), 0), complete


def count_over_time(
    store: EventStore, scope: Scope, query: Query, edges: Sequence[int], budget: Budget
) -> tuple[dict[tuple[Any, ...], int], bool]:
    """Counts by (step, status); and whether all rows were read in time.

    `edges` are at least two moments in microseconds, ascending; step n begins at edges[n] and ends before the next.
    """
    at, first, width = "toUnixTimestamp64Micro(occurred_at)", int(edges[0]), int(edges[1]) - int(edges[0])
    if all(after - before == width for before, after in pairwise(edges)):
        return _tally(store, scope, query, f"intDiv({at} - {first}, {width}), status", "", budget)
    begin = f"roundDown({at}, [{', '.join(str(int(edge)) for edge in edges[:-1])}])"
    found, complete = _tally(store, scope, query, f"{begin}, status", "", budget)
    return {(bisect_left(edges, edge), status): count for (edge, status), count in found.items()}, complete


def count_by_value(
    store: EventStore,
    scope: Scope,
    query: Query,
    name: str,
    most: int,
    budget: Budget,
    *,
    aside: Sequence[Record] = (),
    containing: str = "",
) -> tuple[list[tuple[str, int]], bool]:
    """The `most` frequent values of a field of `value_counts.FIELDS` with their counts, most frequent first; and
    whether all events were counted in time.

    `aside` are further matches, which are not in the store; `containing` is a folded text that the values contain.
    """
    bound = compile_bounded(scope, query)
    if not bound.scans and not aside:
        where, parameters = narrowed(bound, Window(None, None), "desc")
        seconds = budget.remaining() * SHARE_OF_ONE_TRY
        try:
            parameters |= {"containing": containing}
            rows = store.rows(top_sql(name, where, most), parameters, seconds=seconds, settings=bound.counting)
        except StoreTimeout:
            pass
        else:
            return [(usual, total) for _value, usual, total in rows], True
    counts, is_whole = ValueCounts(name), True
    for record in aside:
        counts.add_record(record)

    def add(window: Window, seconds: float | None) -> bool:
        nonlocal is_whole
        where, parameters = narrowed(bound, window, "desc")
        statement = f"{values_sql(name, where)} ORDER BY hits DESC, value, spelling LIMIT {MOST_ROWS + 1}"
        rows = store.rows(statement, parameters, seconds=seconds, settings=bound.counting)
        counts.add_rows(rows)
        is_whole = is_whole and len(rows) <= MOST_ROWS
        return False

    windows = Windows(store, span_of(scope, query), "desc")
    windows.run(budget, add)
    return counts.top(most, containing), is_whole and windows.complete


def _tally(
    store: EventStore, scope: Scope, query: Query, columns: str, tail: str, budget: Budget
) -> tuple[dict[tuple[Any, ...], int], bool]:
    bound = compile_bounded(scope, query)
    counts: dict[tuple[Any, ...], int] = {}

    def add(window: Window, seconds: float | None) -> bool:
        where, parameters = narrowed(bound, window, "desc")
        listed, group = (f"{columns},", f"GROUP BY {columns}") if columns else ("", "")
        statement = f"SELECT {listed} count() AS n FROM events WHERE {where} {group} {tail}"
        for row in store.rows(statement, parameters, seconds=seconds, settings=bound.counting):
            key = tuple(row[:-1])
            counts[key] = counts.get(key, 0) + row[-1]
        return False

    if not bound.scans:
        try:
            add(Window(None, None), budget.remaining() * SHARE_OF_ONE_TRY)
        except StoreTimeout:
            counts.clear()
        else:
            return counts, True
    windows = Windows(store, span_of(scope, query), "desc")
    windows.run(budget, add)
    return counts, windows.complete


def _rows(
    store: EventStore,
    bound: Bounded,
    window: Window,
    direction: Direction,
    offset: int,
    need: int,
    seconds: float | None,
    most_bytes: int = MOST_BYTES,
) -> BoundedRows:
    where, parameters = narrowed(bound, window, direction)
    return bounded_rows(
        store, where, order_by(direction), parameters, need=need, skip=offset, most_bytes=most_bytes, seconds=seconds,
        settings=bound.settings,
    )  # fmt: skip


def _count(store: EventStore, bound: Bounded, window: Window, direction: Direction, seconds: float | None) -> int:
    where, parameters = narrowed(bound, window, direction)
    statement = f"SELECT count() FROM events WHERE {where}"
    return int(store.rows(statement, parameters, seconds=seconds, settings=bound.counting)[0][0])
