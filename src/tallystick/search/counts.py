"""Counting what a query finds: in all, over time, by value; within the time, and saying so."""

from collections import Counter
from typing import Any

from tallystick import clock
from tallystick.clock import SECOND_US, rfc3339
from tallystick.errors import BadRequest
from tallystick.events.record import Record
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.page import Relation
from tallystick.search.reading import span_of, tally
from tallystick.search.windows import Budget
from tallystick.store.bounds import bounded
from tallystick.store.errors import StoreTimeout
from tallystick.store.events import EventStore

SECONDS = 0.75
MOST_BUCKETS = 500
MOST_VALUES = 1000
Aside = list[tuple[int, Record]]

# What people think of as one step on a time axis, in seconds.
INTERVALS = (
    1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14_400, 21_600, 43_200,
    86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000, 315_360_000,
)  # fmt: skip

_SHOWN_USER = "if(actor_email != '', actor_email, if(actor_name != '', actor_name, actor_id))"
_SHOWN_RESOURCE = "if(resource_name != '', resource_name, resource_id)"
FACETS = {
    "user": _SHOWN_USER,
    "action": "action",
    "category": "category",
    "status": "status",
    "resource": _SHOWN_RESOURCE,
    "resource_type": "resource_type",
    "ip": "ip_address",
}


def total(store: EventStore, scope: Scope, query: Query, *, exact: bool, seconds: float) -> tuple[int, Relation]:
    """How many events match, and how far that number can be trusted."""
    budget = Budget(seconds)
    bound = bounded(scope, query)
    if not exact and bound.estimate is not None and not bound.exact_count_is_cheap:
        sql = f"SELECT count() FROM events WHERE {bound.estimate}"
        try:
            return int(store.rows(sql, bound.parameters, seconds=budget.left() / 2)[0][0]), "estimate"
        except StoreTimeout:
            pass
    counted, complete = tally(store, scope, query, "", budget=budget)
    return counted.get((), 0), "exact" if complete else "at_least"


def histogram(store: EventStore, scope: Scope, query: Query, aside: Aside, *, buckets: int) -> dict[str, Any]:
    """Counts by interval and status; intervals are whole multiples since 1970 UTC."""
    if not 1 <= buckets <= MOST_BUCKETS:
        raise BadRequest(f"buckets takes 1 to {MOST_BUCKETS}.", code="bad_parameter", parameter="buckets")
    start, end = _extent(store, scope, query)
    interval = next((i for i in INTERVALS if (end - start) / (i * SECOND_US) <= buckets), INTERVALS[-1])
    width = interval * SECOND_US
    column = f"intDiv(toUnixTimestamp64Micro(occurred_at), {width}), status"
    counted, complete = tally(store, scope, query, column, budget=Budget(SECONDS))
    for _index, record in aside:
        key = (record.occurred_at // width, record.status)
        counted[key] = counted.get(key, 0) + 1
    numbers = range(start // width, -(-end // width))
    rows = [
        {
            "start": rfc3339(number * width),
            "success": counted.get((number, "success"), 0),
            "failed": counted.get((number, "failed"), 0),
        }
        for number in numbers
    ]
    return {
        "start": rfc3339(start),
        "end": rfc3339(end),
        "interval_seconds": interval,
        "buckets": rows,
        "partial": not complete,
    }


def facets(
    store: EventStore, scope: Scope, query: Query, aside: Aside, field: str, *, limit: int
) -> dict[str, Any]:
    """The values of `field` that most matches have, most frequent first; absent values are left out."""
    if field not in FACETS:
        raise BadRequest(f"field takes one of {', '.join(FACETS)}.", code="bad_parameter", parameter="field")
    if not 1 <= limit <= MOST_VALUES:
        raise BadRequest(f"limit takes 1 to {MOST_VALUES}.", code="bad_parameter", parameter="limit")
    tail = f"ORDER BY n DESC LIMIT {2 * limit + 1}"
    found, complete = tally(store, scope, query, FACETS[field], tail=tail, budget=Budget(SECONDS))
    counted: Counter[str] = Counter({key[0]: number for key, number in found.items()})
    for _index, record in aside:
        counted[_shown(record, field)] += 1
    counted.pop("", None)
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]
    return {
        "field": field,
        "values": [{"value": value, "count": number} for value, number in ordered],
        "partial": not complete,
    }


def _extent(store: EventStore, scope: Scope, query: Query) -> tuple[int, int]:
    """The time that a histogram covers: what was asked for, else from the first event to the last, or now."""
    start, end = query.start, query.end
    if start is None or end is None:
        span = span_of(scope, query)
        sql = (
            "SELECT toUnixTimestamp64Micro(min(occurred_at)), toUnixTimestamp64Micro(max(occurred_at)), count() "
            f"FROM events WHERE {span.where}"
        )
        first, last, count = store.rows(sql, span.parameters)[0]
        now = clock.now_us()
        end = end if end is not None else max(now, last + 1 if count else 0)
        start = start if start is not None else (first if count else end - clock.DAY_US)
    return start, max(end, start + 1)


def _shown(record: Record, field: str) -> str:
    match field:
        case "user":
            return record.actor_email or record.actor_name or record.actor_id
        case "resource":
            return record.resource_name or record.resource_id
        case "ip":
            return record.ip_address
        case _:
            value: str = getattr(record, field)
            return value
