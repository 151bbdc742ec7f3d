"""One page of events, merged from the store and from the events that the store refused ("set aside")."""

from dataclasses import dataclass

from tallystick.events.record import Record, StoredEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.page import Position
from tallystick.store.bounded_rows import MOST_BYTES, size_of
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index, in_order
from tallystick.store.windows import Budget, Direction, Place

Outcome = tuple[list[StoredEvent], str | None, bool]
"""The events, the cursor that goes on, and whether the time was used up before the page was full."""

LEAST_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a page is to hold. `mark` identifies the query in the cursor; `aside` are the matching set-aside events."""

    scope: Scope
    query: Query
    limit: int
    mark: bytes
    aside: list[StoredEvent]


def as_stored_event(index: int, record: Record) -> StoredEvent:
    """A journal record in the form that the store returns."""
    return StoredEvent(
        index, record.id, record.received_at, record.occurred_at,
        record.what, record.target, record.who, record.details, record.seed, record.remains,
    )  # fmt: skip


def by_time(
    store: EventStore, request: PageRequest, direction: Direction, place: Place | None, offset: int, budget: Budget
) -> Outcome:
    """The page after `place` in timestamp order, skipping `offset` matches."""
    # A page merges two ordered sources: the rows of the store, and the few events that the store refused ("set aside").
    # Both are compared by `key`, which turns a descending order into an ascending one.
    sign = -1 if direction == "desc" else 1

    def key(event: StoredEvent) -> Place:
        return (sign * event.occurred_at, sign * event.index)

    kept = [one for one in request.aside if place is None or key(one) > (sign * place[0], sign * place[1])]
    # An offset counts events of both sources. How many of the set-aside ones lie before the page is known only after
    # reading, so the store skips as many rows fewer as there are such events, and the rest is cut off below. It reads
    # one row more than the page holds, to know whether another page follows.
    skip = max(0, offset - len(kept))
    need = request.limit + 1 + offset - skip
    found = in_order(store, request.scope, request.query, direction, start=place, offset=skip, need=need, budget=budget)
    if not found.complete and found.reached is not None:
        # Beyond the place that the reading reached, rows may be missing: a set-aside event from there would come too
        # early.
        edge = (sign * found.reached[0], sign * found.reached[1])
        kept = [one for one in kept if key(one) <= edge]
    # Set-aside events before the first row that was read belong to the skipped part of the offset.
    later = [one for one in kept if found.rows and key(one) > key(found.rows[0])] if skip else kept
    start = offset - skip - (len(kept) - len(later))
    # By index: an event that was set aside and stored later would otherwise stand there twice.
    merged = sorted({one.index: one for one in [*found.rows, *later]}.values(), key=key)
    data = merged[start:]
    if len(data) > request.limit:
        last = data[request.limit - 1]
        return data[: request.limit], Position(request.mark, last.occurred_at, last.index).encode(), False
    if found.complete:
        return data, None, False
    # The time ran out, or the bytes are used up: the cursor carries the part of the offset that is still to be skipped.
    left = found.offset + max(0, start - len(merged))
    at = found.reached or (0, -1)
    return data, Position(request.mark, at[0], at[1], left).encode(), len(data) < request.limit and not found.is_cut


def page_by_index(store: EventStore, request: PageRequest, after: int, through: int, budget: Budget) -> Outcome:
    """The page of events with after < index ≤ through, ordered by index."""
    data = [one for one in request.aside if after < one.index <= through]
    # The store is sorted by time, not by index: a range of indexes costs about the same however few of its events
    # match. So ranges grow fourfold while too few matches come, and the first is read whatever the time, so that a
    # client that follows the cursor always gets on.
    at, step, bytes_left = after, max(request.limit * 4, 1000), MOST_BYTES
    while (
        at < through
        and len(data) <= request.limit
        and bytes_left > 0
        and (at == after or budget.remaining() > LEAST_SECONDS)
    ):
        end = min(through, at + step)
        rows = by_index(
            store, request.scope, request.query, after=at, through=end, limit=request.limit + 1, most_bytes=bytes_left
        )
        data += rows.events
        bytes_left -= sum(map(size_of, rows.events))
        at, step = rows.reached, step * 4
    data = sorted({one.index: one for one in data if one.index <= at}.values(), key=lambda one: one.index)
    if len(data) > request.limit:
        return data[: request.limit], Position(request.mark, 0, data[request.limit - 1].index).encode(), False
    if at < through:
        return data, Position(request.mark, 0, at).encode(), len(data) < request.limit and bytes_left > 0
    return data, None, False
