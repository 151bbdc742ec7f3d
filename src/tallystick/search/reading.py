"""Rows of a query in order: at once where an index serves, else window by window within the time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tallystick.events.record import StoredEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.windows import Budget, Direction, Place, Window, Windows, narrowed, order_by
from tallystick.store.bounds import Bounded, bounded
from tallystick.store.errors import StoreTimeout
from tallystick.store.events import EventStore

# What one try over everything may take of the budget before going window by window.
SHARE_OF_ONE_TRY = 0.5


@dataclass(slots=True)
class Found:
    """Rows so far. `reached`: where an incomplete reading stands; `offset`: matches still to skip there."""

    rows: list[StoredEvent] = field(default_factory=list)
    complete: bool = False
    reached: Place | None = None
    offset: int = 0


def span_of(scope: Scope, query: Query) -> Bounded:
    """The scope and the query's time, without its condition."""
    return bounded(scope, Query(start=query.start, end=query.end))


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
) -> Found:
    """Up to `need` rows after `start`, the first `offset` of them skipped."""
    bound = bounded(scope, query)
    if not bound.scans:
        try:
            rows = _rows(store, bound, Window(start, None), direction, offset, need, budget.left() * SHARE_OF_ONE_TRY)
        except StoreTimeout:
            pass
        else:
            return Found(rows, True)
    found = Found(reached=start, offset=offset)
    windows = Windows(store, span_of(scope, query), direction, start)

    def read(window: Window, seconds: float | None) -> bool:
        if found.offset:
            matches = _count(store, bound, window, direction, seconds)
            if matches <= found.offset:
                found.offset -= matches
                return False
        wanted = need - len(found.rows)
        found.rows += _rows(store, bound, window, direction, found.offset, wanted, seconds)
        found.offset = 0
        return len(found.rows) >= need

    windows.run(budget, read)
    found.complete = windows.complete or len(found.rows) >= need
    found.reached = windows.reached
    return found


def tally(
    store: EventStore, scope: Scope, query: Query, columns: str, *, tail: str = "", budget: Budget
) -> tuple[dict[tuple[Any, ...], int], bool]:
    """Counts by the values of `columns` (trusted SQL), and whether all rows were counted."""
    bound = bounded(scope, query)
    statement = "SELECT {columns} count() AS n FROM events WHERE {where} {group} {tail}"
    group = f"GROUP BY {columns}" if columns else ""
    listed = f"{columns}," if columns else ""

    def ask(window: Window, seconds: float | None) -> Sequence[Sequence[Any]]:
        where, parameters = narrowed(bound, window, "desc")
        sql = statement.format(columns=listed, where=where, group=group, tail=tail)
        return store.rows(sql, parameters, seconds=seconds)

    counts: dict[tuple[Any, ...], int] = {}

    def add(window: Window, seconds: float | None) -> bool:
        for row in ask(window, seconds):
            key = tuple(row[:-1])
            counts[key] = counts.get(key, 0) + row[-1]
        return False

    if not bound.scans:
        try:
            add(Window(None, None), budget.left() * SHARE_OF_ONE_TRY)
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
) -> list[StoredEvent]:
    where, parameters = narrowed(bound, window, direction)
    tail = f"{order_by(direction)} LIMIT {{need:UInt64}} OFFSET {{skip:UInt64}}"
    return store.read(where, tail, parameters | {"need": need, "skip": offset}, seconds=seconds)


def _count(store: EventStore, bound: Bounded, window: Window, direction: Direction, seconds: float | None) -> int:
    where, parameters = narrowed(bound, window, direction)
    return int(store.rows(f"SELECT count() FROM events WHERE {where}", parameters, seconds=seconds)[0][0])
