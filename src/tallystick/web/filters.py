"""What a URL of the Audit Logs page says: the filters, as typed, and the URL that says the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from tallystick.clock import from_us
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
SINGLE = ("q", "range", "start", "end", "tz", "columns", "live", "limit")
REPEATED = ("user", "category", "status", "resource", "action", "resource_type", "ip")
LABELS = {
    "range": "Date",
    "user": "User",
    "category": "Category",
    "status": "Status",
    "resource": "Resource",
    "action": "Action",
    "resource_type": "Resource type",
    "ip": "IP Address",
}
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
    """One filter that is on: its words, and the filters without it."""

    label: str
    value: str
    without: "Filters"


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of one list. Values are what the person chose or typed; nothing is checked yet."""

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

    @property
    def zone(self) -> tzinfo:
        """The zone that times are shown in; UTC when the URL names none that exists."""
        try:
            return ZoneInfo(self.tz) if self.tz else UTC
        except (ValueError, LookupError, OSError):
            return UTC

    @property
    def zone_name(self) -> str:
        return self.tz if self.tz and self.zone is not UTC else "UTC"

    @property
    def rows(self) -> int:
        """How many rows a page has, 1 to 1,000."""
        return min(max(int(self.limit), 1), MOST_ROWS) if self.limit.isdecimal() else PAGE_SIZE

    def pairs(self) -> list[tuple[str, str]]:
        """The query parameters that say the same, in a fixed order, without empty ones."""
        found = [(name, getattr(self, name)) for name in SINGLE if getattr(self, name)]
        return found + [(name, value) for name in REPEATED for value in getattr(self, name)]

    def href(self, path: str = PATH, **more: str) -> str:
        """A URL of `path` with these filters."""
        written = _query_string(self)
        if more:
            written = f"{written}&{urlencode(more)}" if written else urlencode(more)
        return f"{path}?{written}" if written else path

    def cursor_key(self) -> str:
        """What must be the same for a cursor to go on: "last 7 days" stays the same while time passes."""
        return urlencode(replace(self, live="", limit="", columns="").pairs())

    def parameters(self, now: int) -> dict[str, Sequence[str]]:
        """The same in the names of the API; `now` in microseconds decides what "last 7 days" is."""
        found: dict[str, Sequence[str]] = {name: getattr(self, name) for name in REPEATED if getattr(self, name)}
        found.update({name: (getattr(self, name),) for name in ("q", "tz") if getattr(self, name)})
        if self.range == "custom":
            found.update({name: (getattr(self, name),) for name in ("start", "end") if getattr(self, name)})
        elif start := self._start(from_us(now)):
            found["start"] = (start.isoformat(),)
        return found

    def _start(self, now: datetime) -> datetime | None:
        if self.range == "today":
            return now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return now - _SPANS[self.range] if self.range in _SPANS else None

    def chips(self) -> list[Chip]:
        """The filters that are on, and each term of the search."""
        found = [
            Chip("Not" if term.is_excluded else "Search", term.text, self.with_search(term.rest))
            for term in terms_of(self.q)
        ]
        if self.range:
            bare = replace(self, range="", start="", end="")
            found.append(Chip(LABELS["range"], self.range_text(), bare))
        for name in REPEATED:
            for value in getattr(self, name):
                rest = tuple(other for other in getattr(self, name) if other != value)
                found.append(Chip(LABELS[name], value_label(name, value), self.with_values(name, rest)))
        return found

    def with_values(self, name: str, values: tuple[str, ...]) -> "Filters":
        """The same with other values of one repeated filter."""
        changed: dict[str, Any] = {name: values}
        return replace(self, **changed)

    def with_search(self, text: str) -> "Filters":
        """The same with another search."""
        return replace(self, q=text)

    def label(self, name: str) -> str:
        """What a filter is called."""
        return LABELS[name]

    def button_text(self, name: str) -> str:
        """What is chosen in a filter, short enough for its button; "" for nothing."""
        values = getattr(self, name)
        if name == "range":
            return self.range_text()
        if len(values) > 1:
            return f"{len(values)} selected"
        return value_label(name, values[0]) if values else ""

    def range_text(self) -> str:
        """The date range in words."""
        if self.range != "custom":
            return RANGES.get(self.range, "")
        if days := self._whole_days():
            return days
        start, end = self._bound_words(self.start), self._bound_words(self.end)
        if start and end:
            return f"{start} to {end.removeprefix(start[:11]) if len(start) > 10 else end}"
        return f"from {start}" if start else f"until {end}" if end else "Custom range"

    def _bound_words(self, text: str) -> str:
        """A day as it is; a time in the zone that times are shown in."""
        moment = self._moment(text)
        return f"{moment:%Y-%m-%d %H:%M:%S}".removesuffix(":00") if moment else text

    def _whole_days(self) -> str:
        """`2024-01-15 to 2024-01-17` for two times that are midnights: the later one is not included."""
        start, end = self._moment(self.start), self._moment(self.end)
        if not start or not end or any((m.hour, m.minute, m.second) != (0, 0, 0) for m in (start, end)):
            return ""
        last = max(start, end - timedelta(days=1))
        return f"{start:%Y-%m-%d}" if last == start else f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"

    def _moment(self, text: str) -> datetime | None:
        """A time in the zone that times are shown in; None for a day, and for what is no time."""
        try:
            moment = datetime.fromisoformat(text) if len(text) > 10 else None
            return moment.astimezone(self.zone) if moment and moment.tzinfo else moment
        except (ValueError, OverflowError):
            return None

    def with_period(self, start: str, end: str) -> "Filters":
        """The same in another period."""
        return replace(self, range="custom", start=start, end=end)

    def cleared(self) -> "Filters":
        """No filter and no search; how the list is shown stays."""
        return Filters().with_display_of(self)

    def with_display_of(self, other: "Filters") -> "Filters":
        """The same, in the zone, the columns and the length of another list, but columns of its own come first."""
        return replace(self, tz=other.tz, live=other.live, limit=other.limit, columns=self.columns or other.columns)

    def for_saved_view(self) -> "Filters":
        """What a saved view keeps: the question and the columns, not how somebody reads today."""
        return replace(self, tz="", live="", limit="")

    @property
    def hidden_columns(self) -> str:
        """The columns that are not shown, for the stylesheet."""
        return hidden_columns(self.columns)

    @property
    def is_filtered(self) -> bool:
        """Something is filtered or searched for."""
        return self.cleared() != self


def value_label(name: str, value: str) -> str:
    """A filter's value as people read it."""
    return {"category": CATEGORIES, "status": STATUSES}.get(name, {}).get(value, value)


def parse_filters(pairs: Iterable[tuple[str, str]]) -> Filters:
    """The filters of a URL or a form.

    Empty values count for nothing. `user_typed` and `resource_typed` are the boxes in which
    a value can be typed beside the ticked ones. A start or an end without a range is a custom
    range; those left in the form beside another range are dropped.
    """
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if value := value.strip():
            values.setdefault(name.removesuffix("_typed"), []).append(value)
    single = {name: values[name][-1] for name in SINGLE if name in values}
    repeated = {name: tuple(dict.fromkeys(values[name])) for name in REPEATED if name in values}
    return _with_valid_period(single, repeated)


def _with_valid_period(single: dict[str, str], repeated: Mapping[str, tuple[str, ...]]) -> Filters:
    chosen = single.get("range", "custom" if "start" in single or "end" in single else "")
    bounds = {"start", "end"} if chosen == "custom" else set()
    if chosen not in RANGES or (chosen == "custom" and not bounds & single.keys()):
        chosen, bounds = "", set()
    kept = {name: value for name, value in single.items() if name not in ("start", "end") or name in bounds}
    everything: dict[str, Any] = {**kept, "range": chosen, **repeated}
    return Filters(**everything)


@lru_cache(256)
def _query_string(filters: Filters) -> str:
    """The same for each of a thousand rows."""
    return urlencode(filters.pairs())


def visible_columns(text: str) -> tuple[str, ...]:
    """The columns that `time,user,…` names, in their own order; the usual ones when it names none."""
    wanted = set(text.split(","))
    return tuple(name for name in COLUMNS if name in wanted) or DEFAULT_COLUMNS


def hidden_columns(text: str) -> str:
    """The others, with blanks between."""
    kept = visible_columns(text)
    return " ".join(name for name in COLUMNS if name not in kept)
