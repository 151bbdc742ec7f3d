"""When something happened for the first time: many questions about the same events in one reading."""

from collections.abc import Sequence
from typing import Any

from tallystick.query.conditions import Condition, Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import bounded
from tallystick.store.conditions import sql_for
from tallystick.store.events import EventStore


def earliest(
    store: EventStore, scope: Scope, query: Query, conditions: Sequence[Condition], seconds: float
) -> list[int | None]:
    """For each condition the first timestamp of the query's events that fulfil it; None where none does.

    Raises StoreTimeout when that cannot be read in `seconds`.
    """
    bound = bounded(scope, query)
    parameters: dict[str, Any] = dict(bound.parameters)
    columns = []
    for number, condition in enumerate(conditions):
        compiled = sql_for(Query(condition), prefix=f"first{number}_")
        parameters |= compiled.parameters
        columns.append(f"minIf(toUnixTimestamp64Micro(occurred_at), {compiled.sql})")
    statement = f"SELECT {', '.join(columns)} FROM events WHERE {bound.where}"
    # No event is as old as 1970: 0 is what the engine says of nothing.
    return [found or None for found in store.rows(statement, parameters, seconds=seconds)[0]]
