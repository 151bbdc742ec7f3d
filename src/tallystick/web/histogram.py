"""The histogram of events over time by status, requested separately so that rows do not wait for it."""

import json
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any

from litestar import Response, get

from tallystick.clock import now_us, to_us, wall_time
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
    bars = [_bar(bucket, filters) for bucket in counted["buckets"]] if counted else []
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
        query = query_from(filters.parameters(now), now=now)
        return finder.histogram(scope, query, buckets=BUCKETS, zone=filters.zone)
    except BadRequest:
        return None


def _points(counted: dict[str, Any], zone: tzinfo) -> str:
    """JSON for the script: start and end of each bucket (seconds since 1970), counts, and labels."""
    buckets = counted["buckets"]
    periods = [_period(bucket) for bucket in buckets]
    return json.dumps(
        {
            "at": [int(start.timestamp()) for start, _ in periods],
            "ends": [int(end.timestamp()) for _, end in periods],
            "success": [bucket["success"] for bucket in buckets],
            "failed": [bucket["failed"] for bucket in buckets],
            "words": [bucket_label(start, end, zone) for start, end in periods],
        }
    )


def _bar(bucket: dict[str, Any], filters: Filters) -> HistogramBar:
    start, end = _period(bucket)
    filtered = filters.with_period(bucket["start"], end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return HistogramBar(bucket_label(start, end, filters.zone), bucket["success"], bucket["failed"], filtered.href())


def _period(bucket: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(bucket["start"]), datetime.fromisoformat(bucket["end"])


def bucket_label(start: datetime, end: datetime, zone: tzinfo) -> str:
    """The period of a bucket, such as `2024-01-15 14:00 to 15:00`, as precise as its width requires.

    A time that comes twice that day has its offset: `02:00 (UTC+01:00)`.
    """
    clock = "%H:%M:%S" if end - start < timedelta(minutes=1) else "%H:%M"
    width = end - start
    start, end = start.astimezone(zone), end.astimezone(zone)
    is_whole_days = width > timedelta(hours=20) and start.date() != end.date()
    if is_whole_days and all(_is_midnight(one, zone) for one in (start, end)):
        last = end.date() - DAY
        return f"{start:%Y-%m-%d}" if last <= start.date() else f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"
    day = "" if end.date() == start.date() else f"{end:%Y-%m-%d} "
    return f"{start:%Y-%m-%d} {_clock_words(start, clock)} to {day}{_clock_words(end, clock)}"


def _is_midnight(moment: datetime, zone: tzinfo) -> bool:
    """Whether a day begins at this moment, as one does an hour late where the clocks skip midnight."""
    return wall_time(datetime.combine(moment.date(), time()), zone) == to_us(moment)


def _clock_words(moment: datetime, clock: str) -> str:
    words = moment.strftime(clock)
    other = moment.replace(fold=1 - moment.fold)
    if other.utcoffset() == moment.utcoffset():
        return words
    offset = moment.strftime("%z")
    return f"{words} (UTC{offset[:3]}:{offset[3:5]})"
