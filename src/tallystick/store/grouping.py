"""Exact grouped counts for background work, without a time limit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tallystick.events.record import StoredEvent
from tallystick.query.conditions import Condition, Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import compile_bounded
from tallystick.store.events import EventStore
from tallystick.store.query_sql import sql_for
from tallystick.store.value_counts import top_sql, values_sql
from tallystick.store.windows import order_by

STATUS, ACTION = "status", "action"
HOUR = "intDiv(toUnixTimestamp64Micro(occurred_at), 3600000000)"
MOST_VALUES = 10_000_000  # no limit: a report counts everything
PARTLY_ERASED, WHOLLY_UNTOLD = "remains != ''", "action = ''"
LATE = "received_at > occurred_at + INTERVAL 1 DAY"


def count_groups(
    store: EventStore,
    scope: Scope,
    query: Query,
    below: int,
    by: Sequence[str],
    *,
    at_least: int = 1,
    most: int | None = None,
) -> list[tuple[Any, ...]]:
    """The values of `by` (expressions of this module) and the number of events with each, most frequent first.

    Only groups of `at_least` events, and at most `most` groups.
    """
    bound = compile_bounded(scope, query)
    columns = ", ".join(by)
    tail = "" if most is None else " LIMIT {most:UInt64}"
    rows = store.rows(
        f"SELECT {columns}, count() AS n FROM events WHERE {bound.where} AND seq < {{below:UInt64}} "
        f"GROUP BY {columns} HAVING n >= {{least:UInt64}} ORDER BY n DESC, {columns}{tail}",
        bound.parameters | {"below": below, "least": at_least} | ({} if most is None else {"most": most}),
        settings=bound.counting,
    )
    return [tuple(row) for row in rows]


class ValueRow(NamedTuple):
    """A value that people see: `key` as filters compare it, `usual` its most frequent spelling; `hour` in hours since
    1970 UTC, or 0 where it is not counted by hour."""

    key: str
    usual: str
    hour: int
    number: int


def count_values(
    store: EventStore,
    scope: Scope,
    query: Query,
    below: int,
    name: str,
    *,
    by_hour: bool = False,
    at_least: int = 1,
    most: int = MOST_VALUES,
) -> list[ValueRow]:
    """The values of a field of `value_counts.FIELDS` and the number of events with each, most frequent first.

    Only values of `at_least` events, and at most `most`.
    """
    bound = compile_bounded(scope, query)
    more = f"{HOUR} AS hour" if by_hour else ""
    rows = store.rows(
        top_sql(name, f"{bound.where} AND seq < {{below:UInt64}}", most, more, at_least),
        bound.parameters | {"below": below, "containing": ""},
        settings=bound.counting,
    )
    return [ValueRow(row[0], row[1], row[2] if by_hour else 0, row[-1]) for row in rows]


def distinct_keys(store: EventStore, scope: Scope, query: Query, below: int, name: str) -> set[str]:
    """All values of a field, as filters compare them, also those that people do not see."""
    bound = compile_bounded(scope, query)
    rows = store.rows(
        f"SELECT DISTINCT value FROM ({values_sql(name, f'{bound.where} AND seq < {{below:UInt64}}')})",
        bound.parameters | {"below": below},
        settings=bound.counting,
    )
    return {row[0] for row in rows}


def count_distinct(store: EventStore, scope: Scope, query: Query, below: int, name: str) -> int:
    """The number of distinct values that people see."""
    bound = compile_bounded(scope, query)
    rows = store.rows(
        f"SELECT count() FROM ({top_sql(name, f'{bound.where} AND seq < {{below:UInt64}}', MOST_VALUES)})",
        bound.parameters | {"below": below, "containing": ""},
        settings=bound.counting,
    )
    return int(rows[0][0])


def time_range(store: EventStore, scope: Scope, query: Query, below: int) -> tuple[int, int, int]:
    """The number of events, and their first and last timestamp (microseconds; 0 if there are none)."""
    bound = compile_bounded(scope, query)
    rows = store.rows(
        "SELECT count(), toUnixTimestamp64Micro(min(occurred_at)), toUnixTimestamp64Micro(max(occurred_at)) "
        f"FROM events WHERE {bound.where} AND seq < {{below:UInt64}}",
        bound.parameters | {"below": below},
        settings=bound.counting,
    )
    count, first, last = rows[0]
    return int(count), int(first) if count else 0, int(last) if count else 0


def newest_events(store: EventStore, scope: Scope, query: Query, below: int, most: int) -> list[StoredEvent]:
    """The events with the latest timestamps, newest first."""
    bound = compile_bounded(scope, query)
    return store.read(
        f"{bound.where} AND seq < {{below:UInt64}}",
        f"{order_by('desc')} LIMIT {{most:UInt64}}",
        bound.parameters | {"below": below, "most": most},
        settings=bound.settings,
    )


def earliest(
    store: EventStore, scope: Scope, query: Query, conditions: Sequence[Condition], seconds: float
) -> list[int | None]:
    """For each condition the first timestamp (microseconds) among the query's events; None if none matches.

    Raises StoreTimeout if reading takes longer than `seconds`.
    """
    bound = compile_bounded(scope, query)
    parameters: dict[str, Any] = dict(bound.parameters)
    columns = []
    for number, condition in enumerate(conditions):
        compiled = sql_for(Query(condition), prefix=f"first{number}_")
        parameters |= compiled.parameters
        columns.append(f"minIf(toUnixTimestamp64Micro(occurred_at), {compiled.sql})")
    statement = f"SELECT {', '.join(columns)} FROM events WHERE {bound.where}"
    # No event is as old as 1970: 0 is what the engine says of nothing.
    return [found or None for found in store.rows(statement, parameters, seconds=seconds, settings=bound.counting)[0]]
