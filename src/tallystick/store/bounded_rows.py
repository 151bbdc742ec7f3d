"""Reads whole events, but only as many as fit into a number of bytes: an answer stays small however large they are."""

from typing import Any, NamedTuple

from tallystick.events.intake import MAX_EVENT
from tallystick.events.record import StoredEvent
from tallystick.store.events import EventStore, Settings
from tallystick.store.windows import Budget

MOST_BYTES = 8 << 20

# How many rows there are, and how many of them begin within the bytes: the first always does.
_FITTING = (
    "SELECT count(), countIf(before < {{bytes:UInt64}}) FROM (SELECT sum(size) OVER ({order} ROWS BETWEEN UNBOUNDED "
    "PRECEDING AND 1 PRECEDING) AS before FROM (SELECT occurred_at, seq, length(what) + length(target) + length(who) + "
    "length(details) AS size FROM events WHERE {where} {tail}))"
)


class BoundedRows(NamedTuple):
    """Whole events in order. `is_cut`: more match, and were left out since the bytes were used up."""

    events: list[StoredEvent]
    is_cut: bool


def bounded_rows(
    store: EventStore,
    where: str,
    order: str,
    parameters: dict[str, Any],
    *,
    need: int,
    skip: int = 0,
    most_bytes: int = MOST_BYTES,
    seconds: float | None = None,
    settings: Settings = None,
) -> BoundedRows:
    """Up to `need` rows after the first `skip`; fewer where these are larger than `most_bytes`, but at least one.

    `order` is an ORDER BY over the columns occurred_at and seq. Raises StoreTimeout after `seconds`. `settings` are
    those of the engine.
    """
    tail = f"{order} LIMIT {{need:UInt64}} OFFSET {{skip:UInt64}}"
    limits = parameters | {"need": need, "skip": skip}
    budget = None if seconds is None else Budget(seconds)
    is_cut = False
    if need > most_bytes // MAX_EVENT:
        statement = _FITTING.format(where=where, tail=tail, order=order)
        rows = store.rows(statement, limits | {"bytes": max(most_bytes, 1)}, seconds=seconds, settings=settings)
        count, fitting = rows[0]
        is_cut = fitting < count
        if is_cut:
            limits["need"] = fitting
    left = None if budget is None else budget.remaining()
    return BoundedRows(store.read(where, tail, limits, seconds=left, settings=settings), is_cut)


def size_of(event: StoredEvent) -> int:
    """The bytes that an event counts for."""
    return len(event.what) + len(event.target) + len(event.who) + len(event.details)
