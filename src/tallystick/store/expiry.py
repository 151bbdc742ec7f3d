"""Rows whose time is over: which they are, and their going."""

from collections.abc import Sequence
from typing import Any

from tallystick.events.lasting import LASTING
from tallystick.query.conditions import EVERYTHING, Condition, Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import Bounded, bounded
from tallystick.store.events import EventStore

AT_ONCE = 5_000  # a server takes 128 KiB in one parameter
_LASTS = (
    "(action IN {lasting:Array(String)} AND JSONExtractString(what, 'recorded_by', 'type') = 'system' "
    "AND JSONExtractString(what, 'recorded_by', 'id') = 'tallystick')"
)


def expired(
    store: EventStore, scope: Scope, before: int, *, only: Condition = EVERYTHING, through: int, most: int
) -> list[int]:
    """The oldest indexes up to `through` with timestamps before `before` (microseconds), at most `most`.

    `only` those that fulfil a condition: what is not held.
    """
    where, parameters = _expired(scope, before, only)
    rows = store.rows(
        f"SELECT seq FROM events WHERE {where} AND seq <= {{through:Int64}} "
        "ORDER BY occurred_at, seq LIMIT {most:UInt64}",
        parameters | {"through": through, "most": most},
    )
    return [row[0] for row in rows]


def expiring(store: EventStore, scope: Scope, before: int, *, only: Condition = EVERYTHING, seconds: float) -> int:
    """How many events have timestamps before `before`, fulfil the condition and do not last; StoreTimeout."""
    where, parameters = _expired(scope, before, only)
    return int(store.rows(f"SELECT count() FROM events WHERE {where}", parameters, seconds=seconds)[0][0])


def remove(store: EventStore, scope: Scope, indexes: Sequence[int]) -> None:
    """Delete these rows; those that are gone already are no error. The bytes go with the next merge."""
    whole = _whole(scope)
    for start in range(0, len(indexes), AT_ONCE):
        some = list(indexes[start : start + AT_ONCE])
        store.delete(
            f"{whole.where} AND seq >= {{first:UInt64}} AND seq <= {{last:UInt64}} "
            "AND seq IN {indexes:Array(UInt64)}",
            whole.parameters | {"first": min(some), "last": max(some), "indexes": some},
        )


def _expired(scope: Scope, before: int, only: Condition) -> tuple[str, dict[str, Any]]:
    whole = bounded(scope, Query(only))
    where = f"{whole.where} AND occurred_at < fromUnixTimestamp64Micro({{before:Int64}}, 'UTC') AND NOT {_LASTS}"
    return where, whole.parameters | {"before": before, "lasting": list(LASTING)}


def _whole(scope: Scope) -> Bounded:
    return bounded(scope, Query())
