"""The histogram of events over time by status, requested separately so that rows do not wait for it."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from litestar import Response, get

from tallystick.clock import now_us
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope
from tallystick.search import find
from tallystick.search.filters import query_from
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import FinderDep, PoolsDep, UserScopeDep, ViewerDep, WebRequest
from tallystick.web.filters import PATH, Filters
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.templating import html

BUCKETS = 100
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HistogramBar:
    """One time bucket: its label, its counts, and the URL of its events."""

    words: str
    success: int
    failed: int
    href: str


@get(f"{PATH}/histogram", name="web.audit_logs.histogram", opt=EVERY_ROLE)
async def show_histogram(
    request: WebRequest, user_scope: UserScopeDep, pools: PoolsDep, finder: FinderDep, viewer: ViewerDep
) -> Response[str]:
    """The histogram as data for the script and as a table; empty if the search is invalid."""
    filters = filters_of(request)
    counted = await pools.searches.run(user_scope, _load, finder, user_scope, filters)
    viewer.note_list(filters, is_supplement=True)
    bars = [_bar(bucket, counted["interval_seconds"], filters) for bucket in counted["buckets"]] if counted else []
    points = _points(counted, filters.zone) if counted else ""
    totals = {name: sum(getattr(bar, name) for bar in bars) for name in ("success", "failed")}
    partial = bool(counted and counted["partial"])
    return html(
        "histogram.html",
        bars=[bar for bar in bars if bar.success or bar.failed],
        points=points,
        totals=totals,
        partial=partial,
        filters=filters,
    )


def _load(finder: find.Finder, scope: Scope, filters: Filters) -> dict[str, Any] | None:
    now = now_us()
    try:
        return finder.histogram(scope, query_from(filters.parameters(now), now=now), buckets=BUCKETS)
    except BadRequest:
        return None


def _points(counted: dict[str, Any], zone: tzinfo) -> str:
    """JSON for the script: start of each bucket (seconds since 1970), counts, width in seconds, and labels."""
    buckets, width = counted["buckets"], counted["interval_seconds"]
    starts = [datetime.fromisoformat(bucket["start"]) for bucket in buckets]
    return json.dumps(
        {
            "step": width,
            "at": [int(start.timestamp()) for start in starts],
            "success": [bucket["success"] for bucket in buckets],
            "failed": [bucket["failed"] for bucket in buckets],
            "words": [bucket_label(start, width, zone) for start in starts],
        }
    )


def _bar(bucket: dict[str, Any], width: int, filters: Filters) -> HistogramBar:
    start = datetime.fromisoformat(bucket["start"])
    filtered = filters.with_period(bucket["start"], (start + timedelta(seconds=width)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return HistogramBar(bucket_label(start, width, filters.zone), bucket["success"], bucket["failed"], filtered.href())


def bucket_label(start: datetime, width: int, zone: tzinfo) -> str:
    """The period of a bucket, such as `2024-01-15 14:00 to 15:00`, as precise as its width requires."""
    end = (start + timedelta(seconds=width)).astimezone(zone)
    start = start.astimezone(zone)
    clock = "%H:%M:%S" if width < 60 else "%H:%M"
    if width % 86_400 == 0 and (start.hour, start.minute) == (0, 0):
        last = end - DAY
        return f"{start:%Y-%m-%d}" if last.date() <= start.date() else f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"
    day = "" if end.date() == start.date() else f"{end:%Y-%m-%d} "
    return f"{start:%Y-%m-%d} {start.strftime(clock)} to {day}{end.strftime(clock)}"
