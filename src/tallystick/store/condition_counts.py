"""Counts how many events of a query match each of many conditions, in one reading within a time budget."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tallystick.query.conditions import Condition, Not, Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import compile_bounded
from tallystick.store.events import EventStore
from tallystick.store.query_sql import sql_for
from tallystick.store.reading import span_of
from tallystick.store.windows import Budget, Window, Windows, narrowed

_BYTES = "length(what) + length(target) + length(who) + length(details)"


@dataclass(slots=True)
class ConditionCounts:
    """The events of a query and the bytes of their parts; for each condition, how many of them match.

    They were read from the newest back to `since` (microseconds); None if all were read.
    """

    counts: list[int]
    events: int = 0
    bytes: int = 0
    since: int | None = field(default=None)


def count_conditions(
    store: EventStore, scope: Scope, query: Query, conditions: Sequence[Condition], seconds: float
) -> ConditionCounts:
    """Count, newest events first, for about `seconds`. Memory does not grow with the events."""
    bound = compile_bounded(scope, query)
    # As conditions that exclude: the text index cannot answer inside of a count.
    excluding = [sql_for(Query(Not(one)), prefix=f"count{number}_") for number, one in enumerate(conditions)]
    columns = ", ".join(["count()", f"sum({_BYTES})", *(f"countIf(NOT {one.sql})" for one in excluding)])
    parameters = {name: value for one in excluding for name, value in one.parameters.items()}
    found = ConditionCounts([0] * len(conditions))

    def add(window: Window, seconds: float | None) -> bool:
        where, named = narrowed(bound, window, "desc")
        statement = f"SELECT {columns} FROM events WHERE {where}"
        named |= parameters
        events, size, *counts = store.rows(statement, named, seconds=seconds, settings=bound.counting)[0]
        found.events += events
        found.bytes += size
        found.counts = [one + more for one, more in zip(found.counts, counts, strict=True)]
        return False

    windows = Windows(store, span_of(scope, query), "desc")
    windows.run(Budget(seconds), add)
    if not windows.complete and windows.reached is not None:
        found.since = windows.reached[0]
    return found
