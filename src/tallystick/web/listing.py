"""One page of the list, ready for the templates: rows, the count in honest words, or why there are none."""

from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from tallystick.clock import DAY_US, from_us, now_us
from tallystick.errors import BadRequest
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from
from tallystick.search.find import Finder
from tallystick.search.page import Page
from tallystick.web.event_view import Row, row_of
from tallystick.web.filters import LABELS, Filters


@dataclass(frozen=True, slots=True)
class Mistake:
    """What cannot be understood in the search, where `column` counts from 1, or in the filter `where`.

    `suggestion` is the search mended, or a value that the filter would take.
    """

    detail: str
    column: int | None = None
    suggestion: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the table shows.

    `searchable_through` is where the live view goes on, `needles` are the words to mark, and
    `api` is the path that gives the same by the HTTP API.
    """

    filters: Filters
    rows: list[Row] = field(default_factory=list)
    count: str = ""
    is_exact: bool = False
    needles: tuple[str, ...] = ()
    api: str = ""
    partial: bool = False
    cursor: str | None = None
    continued: bool = False
    searchable_through: int = -1
    retention_words: str = ""
    empty: str = ""
    mistake: Mistake | None = None


def load(scope: Scope, finder: Finder, filters: Filters, cursor: str | None) -> Listing:
    """Finds one page; blocks. A mistake in the search or a filter is part of the answer."""
    now = now_us()
    try:
        query = query_from(filters.parameters(now), now=now)
        page = finder.page(
            scope,
            query,
            limit=filters.rows,
            cursor=cursor,
            count="none" if cursor else "estimate",
            question=filters.question(),
        )
    except BadRequest as problem:
        return Listing(filters=filters, mistake=mistake_of(problem))
    rows = [row_of(stored, filters.zone) for stored in page.data]
    if cursor is None and page.next_cursor is None and not page.partial:  # all of it is here
        page = replace(page, total=len(rows), total_relation="exact")
    return Listing(
        filters=filters,
        rows=rows,
        count=count_words(page),
        is_exact=page.total_relation == "exact",
        needles=query.needles,
        api=f"/v1/audit-logs?{urlencode(filters.parameters(now), doseq=True)}".rstrip("?"),
        partial=page.partial,
        cursor=page.next_cursor,
        continued=cursor is not None,
        searchable_through=page.searchable_through,
        retention_words=_retention_words(query, page, filters),
        empty="" if rows or cursor else _why_empty(scope, finder, filters, query, page, now),
    )


def mistake_of(problem: BadRequest) -> Mistake:
    """The explanation that stands under the search box."""
    parameter = str(problem.extra.get("parameter", ""))
    column = problem.extra.get("column")
    return Mistake(
        detail=problem.detail,
        column=column if isinstance(column, int) else None,
        suggestion=str(problem.extra.get("suggestion") or ""),
        where=LABELS.get({"start": "range", "end": "range"}.get(parameter, parameter), ""),
    )


def count_words(page: Page) -> str:
    """`1,234 events`, `about 1,234 events`, `at least 1,234 events`; nothing when it was not counted."""
    if page.total is None or page.total_relation is None:
        return ""
    lead = {"exact": "", "estimate": "about ", "at_least": "at least "}[page.total_relation]
    return f"{lead}{page.total:,} event{'' if page.total == 1 else 's'}"


def _retention_words(query: Query, page: Page, filters: Filters) -> str:
    """The first day that is kept, when the period that was asked for begins more than a day before it."""
    if query.start is None or query.start >= page.retention_start - DAY_US:
        return ""
    return f"{from_us(page.retention_start).astimezone(filters.zone):%Y-%m-%d}"


def _why_empty(scope: Scope, finder: Finder, filters: Filters, query: Query, page: Page, now: int) -> str:
    if page.partial:
        return "Nothing found so far."
    if not filters.narrowed:
        return "No events have been recorded yet."
    if query.end is not None and query.end <= page.retention_start:
        days = round((now - page.retention_start) / DAY_US)
        return f"This period is older than the {days:,} days for which events are kept."
    everything = finder.page(scope, Query(), limit=1, count="estimate")
    if not everything.total:
        return "No events have been recorded yet."
    return f"No events match. The search and filters hide {count_words(everything)}."
