"""The query parameters, declared once."""

from typing import Any

from tallystick.api.count_events import DEFAULT_BUCKETS, DEFAULT_VALUES
from tallystick.api.find_events import COUNTS, DEFAULT_LIMIT, MOST_INDEX, MOST_LIMIT, MOST_OFFSET, ORDERS
from tallystick.api.related_events import DEFAULT_LIMIT as DEFAULT_RELATED
from tallystick.cases.related_events import DEFAULT_SPAN, MOST_EVENTS
from tallystick.cases.threads import RELATIONS
from tallystick.events.catalogue import CATEGORIES, STATUSES
from tallystick.search.counts import MOST_BUCKETS, MOST_VALUES
from tallystick.store.reading import VALUES

Parameter = dict[str, Any]


def _one(name: str, description: str, schema: dict[str, Any], **more: Any) -> Parameter:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _many(name: str, description: str, **item: Any) -> Parameter:
    schema = {"type": "array", "items": {"type": "string", "minLength": 1, **item}}
    return _one(name, f"{description} Given several times: either.", schema, style="form", explode=True)


def _number(low: int, high: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, **more}


_LENGTH = "`30m`, `24h`, `7d` or `4w`, 400 days at most."

FILTERS = [
    _one("start", "From this date or time on, inclusive.", {"type": "string"}, example="2024-01-01"),
    _one("end", "Before this time; a bare date includes that day.", {"type": "string"}, example="2024-01-31"),
    _one("tz", "The zone of bare dates; default UTC.", {"type": "string"}, example="Europe/Berlin"),
    _many("user", "E-mail, id or name of the actor, ignoring case; `*` is a wildcard."),
    _many("action", "The action; `deployment.*` too."),
    _many("status", "How it ended.", enum=list(STATUSES)),
    _many("category", "The category.", enum=list(CATEGORIES)),
    _many("resource", "Id or name of the resource, ignoring case; `*` is a wildcard."),
    _many("resource_type", "The type of the resource, likewise."),
    _many("ip", "An address, or a network such as `10.0.0.0/8`."),
    _many("q", 'A search: words, "phrases", OR, -word, parentheses, qualifiers such as `user:`. Empty is all.'),
]
PAGING = [
    _one("limit", "How many events.", _number(1, MOST_LIMIT, default=DEFAULT_LIMIT)),
    _one("offset", "How many to leave out first.", _number(0, MOST_OFFSET, default=0)),
    _one("cursor", "`next_cursor` of the page before, with the same parameters again.", {"type": "string"}),
    _one(
        "order", "`desc` and `asc` by timestamp; `recorded` by index, for keeping a copy: it misses nothing late.",
        {"type": "string", "enum": list(ORDERS), "default": ORDERS[0]},
    ),
    _one("after", "With order=recorded: the events behind this index.", _number(-1, MOST_INDEX)),
    _one(
        "count", "How to count: what takes longer than a second is `at_least`.",
        {"type": "string", "enum": list(COUNTS), "default": COUNTS[0]},
    ),
]  # fmt: skip
HISTOGRAM = [
    _one(
        "buckets",
        "How many intervals to aim at; each has a round length.",
        _number(1, MOST_BUCKETS, default=DEFAULT_BUCKETS),
    )
]
FACET = [
    _one("field", "Of which field.", {"type": "string", "enum": list(VALUES)}, required=True),
    _one("limit", "How many values.", _number(1, MOST_VALUES, default=DEFAULT_VALUES)),
]
RELATED = [
    _many("by", "Which threads to follow; default all that the event has.", enum=list(RELATIONS)),
    _one("before", f"So long before the event. {_LENGTH}", {"type": "string", "default": DEFAULT_SPAN}, example="24h"),
    _one("after", f"So long after it. {_LENGTH}", {"type": "string", "default": DEFAULT_SPAN}, example="30m"),
    _one("limit", "How many events on either side.", _number(1, MOST_EVENTS, default=DEFAULT_RELATED)),
]
LIVE = [
    _one("after", "Begin behind this index: a page's `searchable_through`. Default now.", _number(-1, MOST_INDEX)),
    {
        "name": "Last-Event-ID", "in": "header", "schema": {"type": "string", "pattern": "^(-1|[0-9]{1,15})$"},
        "description": "Where a lost connection stopped; browsers send it by themselves. It wins over `after`.",
    },
]  # fmt: skip
RECORD = [
    _one(
        "wait", "`searchable`: answer when queries see the events, after 10 seconds with 202.",
        {"type": "string", "enum": ["recorded", "searchable"], "default": "recorded"},
    ),
    {
        "name": "Idempotency-Key", "in": "header",
        "description": "Makes the request safe to send again, for seven days.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    {
        "name": "Content-Encoding", "in": "header", "description": "How the body is packed.",
        "schema": {"type": "string", "enum": ["gzip", "zstd", "identity"]},
    },
]  # fmt: skip
EVENT_ID = {
    "name": "id", "in": "path", "required": True, "description": "The event's `id`.",
    "schema": {"type": "string", "pattern": "^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$"},
}  # fmt: skip
