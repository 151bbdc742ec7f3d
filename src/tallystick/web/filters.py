"""The filters of the Audit Logs page: parses them from a URL or form, and writes them as a URL."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from tallystick.clock import from_us
from tallystick.errors import BadRequest
from tallystick.web.search_terms import terms_of

PATH = "/audit-logs"
RANGES = {
    "today": "Today",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "custom": "Custom range",
}
_SPANS = {"24h": timedelta(hours=24), "7d": timedelta(7), "30d": timedelta(30), "90d": timedelta(90)}
CATEGORIES = {
    "authentication": "Authentication",
    "users": "Users",
    "projects": "Projects",
    "deployments": "Deployments",
    "integrations": "Integrations",
    "policies": "Policies",
    "workflows": "Workflows",
    "settings": "Settings",
    "other": "Other",
}
STATUSES = {"success": "Success", "failed": "Failed"}
ACTOR_TYPES = {
    "user": "People",
    "agent": "Agents",
    "api_key": "API keys",
    "service_account": "Service accounts",
    "system": "System",
    "support": "Support",
    "anonymous": "Not signed in",
}
SEVERITIES = {"info": "Info", "low": "Low", "medium": "Medium", "high": "High", "critical": "Critical"}
CHOICES = {"category": CATEGORIES, "status": STATUSES, "actor_type": ACTOR_TYPES, "severity": SEVERITIES}
SINGLE = ("q", "range", "start", "end", "tz", "columns", "live", "limit")
REPEATED = ("user", "category", "status", "resource", "action", "resource_type", "ip", "actor_type", "severity")
LABELS = {
    "range": "Date",
    "user": "User",
    "category": "Category",
    "status": "Status",
    "resource": "Resource",
    "action": "Action",
    "resource_type": "Resource type",
    "ip": "IP Address",
    "actor_type": "Kind of actor",
    "severity": "Severity",
}
# As in the API. A page has a link for each value that leads to the list without it, and one for each row, and each link
# holds all the others.
MOST_VALUES = 200
MOST_BYTES = 32 << 10
MOST_DIGITS = 9  # of a number in an address
PAGE_SIZE = 50
MOST_ROWS = 1000
COLUMNS = {
    "time": "Timestamp",
    "user": "User",
    "action": "Action",
    "description": "Description",
    "category": "Category",
    "resource": "Resource",
    "ip": "IP Address",
    "status": "Status",
    "id": "Event ID",
}
DEFAULT_COLUMNS = ("time", "user", "action", "resource", "ip", "status")


@dataclass(frozen=True, slots=True)
class Chip:
    """A label of an active filter, and the filters without it."""

    label: str
    value: str
    without: "Filters"


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters and display options of one list, as they were chosen or typed; values are not validated."""

    q: str = ""
    range: str = ""
    start: str = ""
    end: str = ""
    tz: str = ""
    columns: str = ""
    live: str = ""
    limit: str = ""
    user: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    resource_type: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    actor_type: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()

    @property
    def zone(self) -> tzinfo:
        """The zone of displayed times; UTC if `tz` is not a known zone."""
        try:
            return ZoneInfo(self.tz) if self.tz else UTC
        except (ValueError, LookupError, OSError):
            return UTC

    @property
    def zone_name(self) -> str:
        return self.tz if self.tz and self.zone is not UTC else "UTC"

    @property
    def rows(self) -> int:
        """The number of rows per page, 1 to 1,000."""
        is_number = self.limit.isdecimal() and len(self.limit) <= MOST_DIGITS
        return min(max(int(self.limit), 1), MOST_ROWS) if is_number else PAGE_SIZE

    def pairs(self) -> list[tuple[str, str]]:
        """The query parameters of the filters, in a fixed order, without empty ones."""
        pairs = [(name, getattr(self, name)) for name in SINGLE if getattr(self, name)]
        return pairs + [(name, value) for name in REPEATED for value in getattr(self, name)]

    def href(self, path: str = PATH, **more: str) -> str:
        """The URL of `path` with these filters, and the parameters of `more`."""
        query_string = _query_string(self)
        if more:
            query_string = f"{query_string}&{urlencode(more)}" if query_string else urlencode(more)
        return f"{path}?{query_string}" if query_string else path

    def cursor_key(self) -> str:
        """Identifies the list for its cursors: relative periods stay relative, display options are left out."""
        return urlencode(replace(self, live="", limit="", columns="").pairs())

    def parameters(self, now: int) -> dict[str, Sequence[str]]:
        """The filters as parameters of the API; `now` (µs since 1970 UTC) resolves periods such as "last 7 days"."""
        parameters: dict[str, Sequence[str]] = {name: getattr(self, name) for name in REPEATED if getattr(self, name)}
        parameters.update({name: (getattr(self, name),) for name in ("q", "tz") if getattr(self, name)})
        if self.range == "custom":
            parameters.update({name: (getattr(self, name),) for name in ("start", "end") if getattr(self, name)})
        elif start := self._start(from_us(now)):
            parameters["start"] = (start.isoformat(),)
        return parameters

    def _start(self, now: datetime) -> datetime | None:
        if self.range == "today":
            return now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return now - _SPANS[self.range] if self.range in _SPANS else None

    def chips(self) -> list[Chip]:
        """A chip for each active filter and each term of the search."""
        chips = [
            Chip("Not" if term.is_excluded else "Search", term.text, self.with_search(term.rest))
            for term in terms_of(self.q)
        ]
        if self.range:
            bare = replace(self, range="", start="", end="")
            chips.append(Chip(LABELS["range"], self.range_text(), bare))
        for name in REPEATED:
            for value in getattr(self, name):
                rest = tuple(other for other in getattr(self, name) if other != value)
                chips.append(Chip(LABELS[name], value_label(name, value), self.with_values(name, rest)))
        return chips

    def with_values(self, name: str, values: tuple[str, ...]) -> "Filters":
        """A copy with other values of one repeated filter."""
        changed: dict[str, Any] = {name: values}
        return replace(self, **changed)

    def with_search(self, text: str) -> "Filters":
        """A copy with another search."""
        return replace(self, q=text)

    def label(self, name: str) -> str:
        """The name of a filter on the page."""
        return LABELS.get(name, name.capitalize())

    def button_text(self, name: str) -> str:
        """The chosen values of a filter, short enough for its button; "" if none is chosen."""
        values = getattr(self, name)
        if name == "range":
            return self.range_text()
        if len(values) > 1:
            return f"{len(values)} selected"
        return value_label(name, values[0]) if values else ""

    def range_text(self) -> str:
        """The date range as text."""
        if self.range != "custom":
            return RANGES.get(self.range, "")
        if days := self._whole_days():
            return days
        start, end = self._bound_words(self.start), self._bound_words(self.end)
        if start and end:
            return f"{start} to {end.removeprefix(start[:11]) if len(start) > 10 else end}"
        return f"from {start}" if start else f"until {end}" if end else "Custom range"

    def _bound_words(self, text: str) -> str:
        """A bound of a custom range as text: a day unchanged, a time in the displayed zone."""
        moment = self._moment(text)
        return f"{moment:%Y-%m-%d %H:%M:%S}".removesuffix(":00") if moment else text

    def _whole_days(self) -> str:
        """`2024-01-15 to 2024-01-17` if both bounds are midnights (the end is exclusive), else ""."""
        start, end = self._moment(self.start), self._moment(self.end)
        if not start or not end or any((m.hour, m.minute, m.second) != (0, 0, 0) for m in (start, end)):
            return ""
        last = max(start, end - timedelta(days=1))
        return f"{start:%Y-%m-%d}" if last == start else f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"

    def _moment(self, text: str) -> datetime | None:
        """A bound as a time in the displayed zone; None for a day, and for text that is not a time."""
        try:
            moment = datetime.fromisoformat(text) if len(text) > 10 else None
            return moment.astimezone(self.zone) if moment and moment.tzinfo else moment
        except (ValueError, OverflowError):
            return None

    def with_period(self, start: str, end: str) -> "Filters":
        """A copy with a custom period."""
        return replace(self, range="custom", start=start, end=end)

    def cleared(self) -> "Filters":
        """A copy without search and filters; display options are kept."""
        return Filters().with_display_of(self)

    def with_display_of(self, other: "Filters") -> "Filters":
        """A copy with the zone, live view, length and, if it names none itself, columns of another list."""
        return replace(self, tz=other.tz, live=other.live, limit=other.limit, columns=self.columns or other.columns)

    def for_saved_view(self) -> "Filters":
        """A copy for a saved view: search, filters and columns, without zone, live view and length."""
        return replace(self, tz="", live="", limit="")

    @property
    def hidden_columns(self) -> str:
        """The hidden columns, separated by spaces, for the stylesheet."""
        return hidden_columns(self.columns)

    @property
    def is_filtered(self) -> bool:
        """Whether a filter or a search is active."""
        return self.cleared() != self


def value_label(name: str, value: str) -> str:
    """A value of a filter as it is shown on the page."""
    return CHOICES.get(name, {}).get(value, value)


def parse_filters(pairs: Iterable[tuple[str, str]]) -> Filters:
    """Parses the filters from the parameters of a URL or form.

    Empty values are ignored. `user_typed` and `resource_typed` are text boxes whose value is added to the ticked ones.
    A start or end without a range makes a custom range; with another range, they are dropped.
    """
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if value := value.strip():
            values.setdefault(name.removesuffix("_typed"), []).append(value)
    single = {name: values[name][-1] for name in SINGLE if name in values}
    repeated = {name: tuple(dict.fromkeys(values[name])) for name in REPEATED if name in values}
    return _with_valid_period(single, repeated)


def read_filters(pairs: Iterable[tuple[str, str]]) -> Filters:
    """Parses the filters that somebody sent; raises BadRequest (`query_too_long`) if a page of them would be too large.

    What was saved is not refused: see `parse_filters`.
    """
    filters = parse_filters(pairs)
    if len(filters.pairs()) > MOST_VALUES or len(_query_string(filters)) > MOST_BYTES:
        detail = f"The filters can have at most {MOST_VALUES} values and {MOST_BYTES >> 10} KiB. Remove some."
        raise BadRequest(detail, code="query_too_long")
    return filters


def _with_valid_period(single: dict[str, str], repeated: Mapping[str, tuple[str, ...]]) -> Filters:
    range_name = single.get("range", "custom" if "start" in single or "end" in single else "")
    bounds = {"start", "end"} if range_name == "custom" else set()
    if range_name not in RANGES or (range_name == "custom" and not bounds & single.keys()):
        range_name, bounds = "", set()
    valid = {name: value for name, value in single.items() if name not in ("start", "end") or name in bounds}
    fields: dict[str, Any] = {**valid, "range": range_name, **repeated}
    return Filters(**fields)


@lru_cache(256)
def _query_string(filters: Filters) -> str:
    """The encoded query string; cached, because every row of a page uses it."""
    return urlencode(filters.pairs())


def visible_columns(text: str) -> tuple[str, ...]:
    """The columns named in a text such as `time,user`, in the fixed order; the default columns if it names none."""
    names = set(text.split(","))
    return tuple(name for name in COLUMNS if name in names) or DEFAULT_COLUMNS


def hidden_columns(text: str) -> str:
    """All other columns, separated by spaces."""
    visible = visible_columns(text)
    return " ".join(name for name in COLUMNS if name not in visible)
