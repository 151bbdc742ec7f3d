"""Counts of a query: total, over time, by value; within a time limit, and saying how exact they are."""

from bisect import bisect_right
from datetime import UTC, tzinfo
from itertools import pairwise
from typing import Any

from tallystick import clock
from tallystick.clock import rfc3339
from tallystick.errors import BadRequest
from tallystick.events.intake import EARLIEST, LATEST_AHEAD
from tallystick.events.record import Record
from tallystick.query.case_folding import fold
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.page import Relation
from tallystick.search.time_steps import edges, interval_for
from tallystick.store.client_words import ClientWords
from tallystick.store.events import EventStore
from tallystick.store.reading import count_by_value, count_matches, count_over_time, estimate_matches, extent
from tallystick.store.value_counts import FIELDS
from tallystick.store.windows import Budget

SECONDS = 0.75
MOST_BUCKETS = 500
MOST_VALUES = 1000
Aside = list[tuple[int, Record]]


def total(
    store: EventStore, clients: ClientWords, scope: Scope, query: Query, *, exact: bool, seconds: float
) -> tuple[int, Relation]:
    """The number of matching events, and whether it is exact, an estimate, or a lower bound."""
    budget = Budget(seconds)
    if not exact:
        estimate = estimate_matches(store, clients, scope, query, budget.remaining() / 2)
        if estimate is not None:
            return estimate, "estimate"
    number, complete = count_matches(store, scope, query, budget)
    return number, "exact" if complete else "at_least"


def histogram(
    store: EventStore, scope: Scope, query: Query, aside: Aside, *, buckets: int, zone: tzinfo = UTC
) -> dict[str, Any]:
    """Counts by interval and status; intervals begin at full hours, midnights, Mondays or months of the zone."""
    if not 1 <= buckets <= MOST_BUCKETS:
        raise BadRequest(f"buckets must be 1 to {MOST_BUCKETS}.", code="bad_parameter", parameter="buckets")
    start, end = _extent(store, scope, query)
    interval = interval_for(start, end, buckets)
    steps = edges(start, end, interval, zone)
    found, complete = count_over_time(store, scope, query, steps, Budget(SECONDS))
    for _index, record in aside:
        key = (bisect_right(steps, record.occurred_at) - 1, record.status)
        found[key] = found.get(key, 0) + 1
    rows = [
        {
            "start": rfc3339(first),
            "end": rfc3339(after),
            "success": found.get((number, "success"), 0),
            "failed": found.get((number, "failed"), 0),
        }
        for number, (first, after) in enumerate(pairwise(steps))
    ]
    return {
        "start": rfc3339(start),
        "end": rfc3339(end),
        "interval_seconds": interval,
        "buckets": rows,
        "partial": not complete,
    }


def facets(
    store: EventStore, scope: Scope, query: Query, aside: Aside, field: str, *, limit: int, containing: str = ""
) -> dict[str, Any]:
    """The most frequent values of `field` among the matches that contain a text; absent values are left out."""
    if field not in FIELDS:
        raise BadRequest(f"field must be one of {', '.join(FIELDS)}.", code="bad_parameter", parameter="field")
    if not 1 <= limit <= MOST_VALUES:
        raise BadRequest(f"limit must be 1 to {MOST_VALUES}.", code="bad_parameter", parameter="limit")
    records = [record for _index, record in aside]
    found, complete = count_by_value(
        store, scope, query, field, limit, Budget(SECONDS), aside=records, containing=fold(containing)
    )
    return {
        "field": field,
        "values": [{"value": value, "count": number} for value, number in found],
        "overlapping": FIELDS[field].is_overlapping,
        "partial": not complete,
    }


def _extent(store: EventStore, scope: Scope, query: Query) -> tuple[int, int]:
    """The period of a histogram: that of the query, else from the first event to the last, or now."""
    start, end = query.start, query.end
    if start is None or end is None:
        held = extent(store, scope, query)
        now = clock.now_us()
        end = end if end is not None else max(now, held[1] + 1 if held else 0)
        start = start if start is not None else (held[0] if held else end - clock.DAY_US)
    # No event lies outside; and a time axis that begins with the calendar has no room to be rounded.
    first, last = clock.to_us(EARLIEST), clock.now_us() + LATEST_AHEAD // clock.MICROSECOND
    start, end = min(max(start, first), last), min(max(end, first), last)
    return start, max(end, start + 1)
