"""The Security page: failed logins, permission changes, and signs of an attack."""

from dataclasses import dataclass
from datetime import timedelta, tzinfo
from urllib.parse import urlencode

from litestar import Response, get

from tallystick.access.scopes import require_whole_trail
from tallystick.alerts.backtest import Backtest, backtest
from tallystick.alerts.rules_file import find_detection as detection
from tallystick.clock import DAY_US, from_us, now_us, rfc3339, second_words
from tallystick.errors import NotFound
from tallystick.query.conditions import And, Query
from tallystick.query.scope import Scope
from tallystick.query.values import literal_pattern
from tallystick.search.find import Finder
from tallystick.search.grammar import parse
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    FinderDep,
    FrameDep,
    PoolsDep,
    StoreDep,
    UserScopeDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.event_row import EventRow, event_row
from tallystick.web.page_access import WHOLE_TRAIL
from tallystick.web.templating import html

PATH = "/security"
PERIODS = ("1", "7", "30", "90")
FAILED = "action:user.login_failed"
PERMISSIONS = (
    "action:user.role_changed action:project.member_role_changed action:user.permission_granted "
    "action:user.permission_revoked action:user.ownership_transferred action:role.created action:role.updated "
    "action:role.deleted"
)
SHOWN = 10
# Detection → heading and explanation of the sign.
SIGNS = {
    "failed_sign_ins": ("Many failed logins", "Five or more for one account within ten minutes."),
    "off_hours": ("Actions at unusual times", "At an hour when that user is hardly ever active."),
    "new_address": ("Actions from unusual IPs", "A sign-in from an address the user has not used before."),
    "bulk_deletion": ("Bulk deletions", "Twenty or more deletions by one user within five minutes."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TopValues:
    """The most frequent values of a field: (value, count, width of its bar in %, URL of its events)."""

    title: str
    values: tuple[tuple[str, int, int, str], ...]


@dataclass(frozen=True, slots=True)
class SecurityContent:
    """The data of the Security page. `days` are (day, count, height of the bar in %, URL)."""

    days: tuple[tuple[str, int, int, str], ...]
    failed: int
    tops: tuple[TopValues, ...]
    changes: list[EventRow]
    changes_more: bool


@get(PATH, name="web.security", opt=WHOLE_TRAIL)
async def show_security(
    request: WebRequest,
    user_scope: UserScopeDep,
    frame: FrameDep,
    pools: PoolsDep,
    finder: FinderDep,
    viewer: ViewerDep,
) -> Response[str]:
    """The Security page; the signs are loaded separately."""
    require_whole_trail(user_scope)
    days, zone = _days(request), filters_of(request).zone
    now = now_us()
    content = await pools.searches.run(user_scope, _load, finder, user_scope, days, now, zone)
    viewer.note_page("security")
    return html(
        "security.html",
        frame=frame.at("security"),
        content=content,
        days=days,
        periods=PERIODS,
        signs=[(name, *texts) for name, texts in SIGNS.items()],
        failed_href=_href(FAILED, now - days * DAY_US, now),
        changes_href=_href(PERMISSIONS, now - days * DAY_US, now),
    )


@get(PATH + "/signs/{name:str}", name="web.security.sign", opt=WHOLE_TRAIL)
async def show_sign(
    request: WebRequest,
    name: str,
    user_scope: UserScopeDep,
    database: DatabaseDep,
    pools: PoolsDep,
    store: StoreDep,
    viewer: ViewerDep,
) -> Response[str]:
    """One sign, as a fragment: how often it occurred, for whom, and its events."""
    if name not in SIGNS:
        raise NotFound("Unknown sign.", code="no_sign")
    days, zone = _days(request), filters_of(request).zone
    definition = detection(name).definition
    now = now_us()
    result: Backtest = await pools.analyses.run(
        user_scope, backtest, database, store, user_scope, definition, now - days * DAY_US, now
    )
    last = [
        (second_words(one.at, zone), one, _events(definition.query, one.group, one.at, definition.window_us))
        for one in result.firings[::-1][:SHOWN]
    ]
    viewer.note_page("security")
    return html("security_sign.html", name=name, found=result, last=last, days=days)


def _load(finder: Finder, scope: Scope, days: int, now: int, zone: tzinfo) -> SecurityContent:
    start = now - days * DAY_US
    failed = Query(parse(FAILED, now=now), start, now)
    tops = []
    for field, title in (("ip", "By address"), ("user", "By user")):
        values = finder.facets(scope, failed, field, limit=8)["values"]
        most = max((one["count"] for one in values), default=1)
        tops.append(
            TopValues(title, tuple((one["value"], one["count"], max(1, round(100 * one["count"] / most)),
                              _href(FAILED, start, now, **{field: literal_pattern(one["value"])})) for one in values))
        )  # fmt: skip
    buckets = finder.histogram(scope, failed, buckets=60)["buckets"] if days else []
    per_day: dict[str, int] = {}
    for bucket in buckets:
        day = bucket["start"][:10]
        per_day[day] = per_day.get(day, 0) + bucket["success"] + bucket["failed"]
    most = max(per_day.values(), default=0)
    first = from_us(now).date() - timedelta(days=days - 1)
    each = [f"{first + timedelta(days=number)}" for number in range(days)]
    days_shown = tuple(
        (day, per_day.get(day, 0), round(100 * per_day.get(day, 0) / most) if most else 0,
         f"/audit-logs?{urlencode({'q': FAILED, 'range': 'custom', 'start': day, 'end': day})}")
        for day in each
    )  # fmt: skip
    changes = finder.page(scope, Query(And((parse(PERMISSIONS, now=now),)), start, now), limit=SHOWN + 1, count="none")
    rows = [event_row(event, zone, ()) for event in changes.data[:SHOWN]]
    return SecurityContent(days_shown, sum(per_day.values()), tuple(tops), rows, len(changes.data) > SHOWN)


def _events(query: str, group: str, at: int, window_us: int) -> str:
    """The URL of the events behind an occurrence of a sign."""
    around = max(window_us, 60_000_000)
    more = {"user": literal_pattern(group)} if group else {}
    return _href(query, at - around, at + 1, **more)


def _href(query: str, start: int, end: int, **more: str) -> str:
    parameters = {"q": query, **more, "range": "custom", "start": rfc3339(start), "end": rfc3339(end)}
    return f"/audit-logs?{urlencode({name: value for name, value in parameters.items() if value})}"


def _days(request: WebRequest) -> int:
    days_text = request.query_params.get("days", "30")
    return int(days_text) if days_text in PERIODS else 30
