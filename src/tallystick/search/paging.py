"""One page out of the store and out of what is set aside, merged in order."""

from dataclasses import dataclass

from tallystick.events.record import Record, StoredEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.page import Position
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index, in_order
from tallystick.store.windows import Budget, Direction, Place

Outcome = tuple[list[StoredEvent], str | None, bool]
"""The events, the cursor that goes on, and whether the time was used up before the page was full."""

LEAST_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a page is asked for; `aside` are the matching events that the store would not take."""

    scope: Scope
    query: Query
    limit: int
    mark: bytes
    aside: list[StoredEvent]


def as_stored_event(index: int, record: Record) -> StoredEvent:
    """A record of the journal as the store would give it."""
    return StoredEvent(
        index, record.id, record.received_at, record.occurred_at,
        record.what, record.target, record.who, record.details, record.seed, record.remains,
    )  # fmt: skip


def by_time(
    store: EventStore, asked: PageRequest, direction: Direction, place: Place | None, offset: int, budget: Budget
) -> Outcome:
    """The page after `place` in order of timestamps, `offset` matches further on."""
    sign = -1 if direction == "desc" else 1

    def key(event: StoredEvent) -> Place:
        return (sign * event.occurred_at, sign * event.index)

    kept = [one for one in asked.aside if place is None or key(one) > (sign * place[0], sign * place[1])]
    # Each event that is set aside may stand before the rows skipped, so that many rows less are skipped.
    skip = max(0, offset - len(kept))
    need = asked.limit + 1 + offset - skip
    found = in_order(store, asked.scope, asked.query, direction, start=place, offset=skip, need=need, budget=budget)
    if not found.complete and found.reached is not None:
        edge = (sign * found.reached[0], sign * found.reached[1])
        kept = [one for one in kept if key(one) <= edge]
    later = [one for one in kept if found.rows and key(one) > key(found.rows[0])] if skip else kept
    start = offset - skip - (len(kept) - len(later))
    merged = sorted({one.index: one for one in [*found.rows, *later]}.values(), key=key)
    data = merged[start:]
    if len(data) > asked.limit:
        last = data[asked.limit - 1]
        return data[: asked.limit], Position(asked.mark, last.occurred_at, last.index).encode(), False
    if found.complete:
        return data, None, False
    left = found.offset + max(0, start - len(merged))
    at = found.reached or (0, -1)
    return data, Position(asked.mark, at[0], at[1], left).encode(), len(data) < asked.limit


def page_by_index(store: EventStore, asked: PageRequest, after: int, through: int, budget: Budget) -> Outcome:
    """The page of events with after < index ≤ through in order of their indexes."""
    data = [one for one in asked.aside if after < one.index <= through]
    at, step = after, max(asked.limit * 4, 1000)
    while at < through and len(data) <= asked.limit and (at == after or budget.left() > LEAST_SECONDS):
        end = min(through, at + step)
        data += by_index(store, asked.scope, asked.query, after=at, through=end, limit=asked.limit + 1)
        at, step = end, step * 4
    data = sorted({one.index: one for one in data if one.index <= at}.values(), key=lambda one: one.index)
    if len(data) > asked.limit:
        return data[: asked.limit], Position(asked.mark, 0, data[asked.limit - 1].index).encode(), False
    if at < through:
        return data, Position(asked.mark, 0, at).encode(), len(data) < asked.limit
    return data, None, False
