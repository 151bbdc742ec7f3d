"""Loads one page of the event list: rows, the count, or the reason why there are none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from tallystick.clock import DAY_US, from_us, now_us
from tallystick.errors import BadRequest
from tallystick.journal.missing_ranges import IndexRange
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from
from tallystick.search.find import Finder
from tallystick.search.page import Page, Relation
from tallystick.web.event_row import EventRow, event_row
from tallystick.web.filters import LABELS, Filters
from tallystick.web.proposals import Proposal, proposals

# A qualifier at the end of the search that matches whole values: many people expect it to match prefixes.
_WHOLE = re.compile(r"(?:^|\s)((?:user|resource|action|type):([^\s\"*()]+))$")


@dataclass(frozen=True, slots=True)
class FilterError:
    """An invalid search, at `column` (from 1), or an invalid value of the filter called `filter_label`.

    `suggestion` is the corrected search, or a valid value of the filter.
    """

    detail: str
    column: int | None = None
    suggestion: str = ""
    filter_label: str = ""


@dataclass(frozen=True, slots=True)
class EventList:
    """The content of the event table.

    `is_count_deferred`: the page requests the count separately, after the rows. The live view continues after index
    `searchable_through`. `needles` are the search words to highlight; `api_path` gives the same events from the API.
    `lost` are the ranges of indexes whose events are lost for good. `proposals`: where nothing is found, searches that
    find something.
    """

    filters: Filters
    rows: list[EventRow] = field(default_factory=list)
    count: str = ""
    is_count_deferred: bool = False
    needles: tuple[str, ...] = ()
    api_path: str = ""
    partial: bool = False
    cursor: str | None = None
    is_continuation: bool = False
    searchable_through: int = -1
    retention_text: str = ""
    lost: Sequence[IndexRange] = ()
    empty_text: str = ""
    proposals: Sequence[Proposal] = ()
    error: FilterError | None = None


def load_event_list(
    scope: Scope, finder: Finder, filters: Filters, cursor: str | None, *, rows_first: bool = False
) -> EventList:
    """Loads one page of events; blocks. An invalid search or filter is returned as `error`, not raised.

    `rows_first`: does not count events, so that the rows are not delayed.
    """
    now = now_us()
    try:
        query = query_from(filters.parameters(now), now=now)
        page = finder.page(
            scope,
            query,
            limit=filters.rows,
            cursor=cursor,
            count="none" if cursor or rows_first else "estimate",
            question=filters.cursor_key(),
        )
    except BadRequest as problem:
        return EventList(filters=filters, error=filter_error_of(problem))
    rows = [event_row(stored, filters.zone, query.needles) for stored in page.data]
    if cursor is None and page.next_cursor is None and not page.partial:  # this page is the whole list
        # Without events of a missing range, nobody knows how many there are.
        total = len(rows) if rows or not page.missing else None
        page = replace(page, total=total, total_relation="at_least" if page.missing else "exact")
    elif page.partial and page.total_relation == "exact" and page.total == len(rows) and cursor is None:
        page = replace(page, partial=False, next_cursor=None)  # the count shows that the list is complete
    elif page.partial and page.total == 0:
        page = replace(page, total=None, total_relation=None)
    later = rows_first and cursor is None and page.next_cursor is not None and page.total is None and not page.partial
    return EventList(
        filters=filters,
        rows=rows,
        count=count_text(page.total, page.total_relation),
        is_count_deferred=later,
        needles=query.needles,
        api_path=f"/v1/audit-logs?{urlencode(filters.parameters(now), doseq=True)}".rstrip("?"),
        partial=page.partial,
        cursor=page.next_cursor,
        is_continuation=cursor is not None,
        searchable_through=page.searchable_through,
        retention_text=_retention_text(query, page, filters),
        lost=page.lost,
        empty_text="" if rows or cursor else _empty_text(scope, finder, filters, query, page, now),
        proposals=() if rows or cursor or page.partial else proposals(scope, finder, filters, now),
    )


def count_events(scope: Scope, finder: Finder, filters: Filters) -> EventList:
    """Counts the events, as `load_event_list` does without `rows_first`; blocks."""
    try:
        query = query_from(filters.parameters(now_us()), now=now_us())
        total, relation = finder.total(scope, query)
    except BadRequest as problem:
        return EventList(filters=filters, error=filter_error_of(problem))
    return EventList(filters=filters, count=count_text(total, relation))


def filter_error_of(problem: BadRequest) -> FilterError:
    """The error to show below the search box."""
    parameter = str(problem.extra.get("parameter", ""))
    column = problem.extra.get("column")
    return FilterError(
        detail=problem.detail,
        column=column if isinstance(column, int) else None,
        suggestion=str(problem.extra.get("suggestion") or ""),
        filter_label=LABELS.get({"start": "range", "end": "range"}.get(parameter, parameter), ""),
    )


def count_text(total: int | None, relation: Relation | None) -> str:
    """`1,234 events`, `≈ 1,200 events` for an estimate, `at least 1,234 events`; "" when it was not counted."""
    if total is None or relation is None:
        return ""
    if not total and relation == "at_least":
        return "Not counted in time"
    if relation == "estimate":
        total = round(total, 2 - len(str(total)))
    lead = {"exact": "", "estimate": "≈ ", "at_least": "at least "}[relation]
    return f"{lead}{total:,} event{'' if total == 1 else 's'}"


def _retention_text(query: Query, page: Page, filters: Filters) -> str:
    """The first day that is kept, if the filtered period begins more than a day earlier; else ""."""
    if query.start is None or query.start >= page.retention_start - DAY_US:
        return ""
    return f"{from_us(page.retention_start).astimezone(filters.zone):%Y-%m-%d}"


def _empty_text(scope: Scope, finder: Finder, filters: Filters, query: Query, page: Page, now: int) -> str:
    if page.partial:
        return "Nothing found so far."
    if page.missing:
        return "No events found. Some events are missing, see above: they may match."
    if not filters.is_filtered:
        return "No events have been recorded yet."
    if query.end is not None and query.end <= page.retention_start:
        days = round((now - page.retention_start) / DAY_US)
        return f"Events are kept for {days:,} days, and this period is older."
    everything = finder.page(scope, Query(), limit=1, count="estimate")
    if not everything.total:
        return "No events have been recorded yet."
    hidden = count_text(everything.total, everything.total_relation)
    whole = _WHOLE.search(filters.q)
    hint = f" {whole[1]} matches exactly “{whole[2]}”; {whole[1]}* also matches longer values." if whole else ""
    return f"No events match. Your search and filters hide {hidden}.{hint}"
