"""Finds the events related to an event: those on its threads, within a time before and after it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.cases.threads import RELATIONS, Relation, Thread, relations_of, threads_of
from tallystick.errors import BadRequest
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.journal.missing_ranges import IndexRange
from tallystick.query.conditions import Or, Query
from tallystick.query.scope import Scope
from tallystick.search.dates import parse_duration
from tallystick.search.find import Finder

MOST_EVENTS = 200
DEFAULT_SPAN = "1h"
MOST_SPAN = parse_duration("400d")


@dataclass(frozen=True, slots=True)
class RelatedMatch:
    """An event of the timeline, and the names of the threads that it shares with the event in the middle."""

    stored: StoredEvent
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class RelatedEvents:
    """The timeline around an event, in order of time and including it. Times in microseconds since 1970 UTC.

    `more_before` and `more_after`: there are more events in the span; those nearest to the middle are here.
    `partial`: the time limit was reached, so that events in the span may be missing.
    """

    middle: StoredEvent
    threads: list[Thread]
    events: list[RelatedMatch]
    start: int
    end: int
    more_before: bool
    more_after: bool
    partial: bool
    searchable_through: int
    retention_start: int
    missing: Sequence[IndexRange]


def find_related_events(
    finder: Finder,
    scope: Scope,
    middle: StoredEvent,
    *,
    by: Sequence[str] = RELATIONS,
    before: str = DEFAULT_SPAN,
    after: str = DEFAULT_SPAN,
    limit: int = 50,
) -> RelatedEvents:
    """Finds the events on the threads `by`: those nearest to the event, at most `limit` on either side. Blocks.

    Takes at most the time limit of a search page, twice. Raises BadRequest (`bad_parameter`) for an unknown thread or
    an invalid span.
    """
    threads = threads_of(event_of(middle), by)
    start = middle.occurred_at - parse_span("before", before)
    end = middle.occurred_at + 1 + parse_span("after", after)
    condition = Or(tuple(thread.condition for thread in threads))
    at = middle.occurred_at
    earlier = finder.page(scope, Query(condition, start, at + 1), limit=limit + 1, order="desc", count="none")
    later = finder.page(scope, Query(condition, at + 1, end), limit=limit, order="asc", count="none")
    nearest = [event for event in earlier.data if event.index != middle.index]
    # Events of the same microsecond are in both pages.
    found = {event.index: event for event in [*nearest[:limit], middle, *later.data]}
    return RelatedEvents(
        middle=middle,
        threads=threads,
        events=[
            RelatedMatch(event, relations_of(event, threads))
            for event in sorted(found.values(), key=lambda event: (event.occurred_at, event.index))
        ],
        start=start,
        end=end,
        more_before=len(nearest) > limit or (earlier.next_cursor is not None and not earlier.partial),
        more_after=later.next_cursor is not None and not later.partial,
        partial=earlier.partial or later.partial,
        searchable_through=earlier.searchable_through,
        retention_start=earlier.retention_start,
        missing=earlier.missing,
    )


def parse_span(name: str, text: str) -> int:
    """Parses a span such as `1h` into microseconds. Raises BadRequest (`bad_parameter`) for the parameter `name`."""
    try:
        found = parse_duration(text)
    except ValueError:
        found = -1
    if not 0 <= found <= MOST_SPAN:
        raise BadRequest(
            f"{name} must be a time span such as 30m, 24h, 7d or 4w, at most 400d.",
            code="bad_parameter",
            parameter=name,
            suggestion=DEFAULT_SPAN,
        )
    return found
