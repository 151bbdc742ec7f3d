"""The parameters of queries, headers and paths, as the OpenAPI document describes them."""

from typing import Any, get_args

from tallystick.alerts.alert import STATES as ALERT_STATES
from tallystick.api.fields import CSV_COLUMNS, CSV_DIALECT
from tallystick.api.operation import Parameter
from tallystick.cases.related_events import DEFAULT_SPAN, MOST_EVENTS
from tallystick.cases.threads import RELATIONS
from tallystick.events.catalogue import CATEGORIES, SEVERITIES, STATUSES
from tallystick.events.incoming import ActorType
from tallystick.render.csv_lines import COLUMNS, DIALECTS
from tallystick.search.counts import MOST_BUCKETS, MOST_VALUES
from tallystick.store.value_counts import FIELDS

MOST_INDEX = 10**15
MOST_OFFSET = 1_000_000_000
MOST_LISTED = 1000
DEFAULT_LISTED = 50
DEFAULT_BUCKETS = 60
DEFAULT_VALUES = 20
ORDERS = ("desc", "asc", "recorded")
ALLOW_MISSING = ("false", "true")
COUNTS = ("estimate", "exact", "none")
WAITS = ("recorded", "searchable")
REVIEW_STATUSES = ("open", "signed", "withdrawn")
TEXT = {"type": "string"}


def _query(name: str, description: str, schema: dict[str, Any], **more: Any) -> Parameter:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _repeatable(name: str, description: str, **item: Any) -> Parameter:
    schema = {"type": "array", "items": {"type": "string", "minLength": 1, **item}}
    return _query(name, f"{description} Repeat it to match any of several.", schema, style="form", explode=True)


def _integer(low: int, high: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def _choice(values: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values), "default": values[0]}


def _header(name: str, description: str, schema: dict[str, Any]) -> Parameter:
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _path(name: str, description: str, example: str, **schema: Any) -> Parameter:
    described = {"name": name, "in": "path", "required": True, "description": description}
    return {**described, "schema": {"type": "string", **schema}, "example": example}


def paging(most: int, example: str) -> tuple[Parameter, ...]:
    """`limit` and `before` of a list, newest first."""
    return (
        _query("limit", "Maximum number of results.", _integer(1, most, default=DEFAULT_LISTED)),
        _query("before", "Only results that are older than the one with this id.", TEXT, example=example),
    )


_EXPORT, _REVIEW, _ALERT = (f"{prefix}_01hk6v2q8zfw0a3m5n7p9r1t3v" for prefix in ("exp", "rev", "alr"))
_SPAN = "`30m`, `24h`, `7d` or `4w`, at most 400 days."

FILTERS = (
    _query("start", "Earliest time, inclusive: a date or a time.", TEXT, example="2024-01-01"),
    _query("end", "Latest time: a time is exclusive, a date includes that day.", TEXT, example="2024-01-31"),
    _query("tz", "Time zone of dates without a time, by IANA name. Default UTC.", TEXT, example="Europe/Berlin"),
    _repeatable("user", "E-mail address, id or name of the actor, ignoring case; `*` is a wildcard."),
    _repeatable("action", "Action; `*` is a wildcard, as in `deployment.*`."),
    _repeatable("status", "Outcome of the action.", enum=list(STATUSES)),
    _repeatable("category", "Category of the action.", enum=list(CATEGORIES)),
    _repeatable("resource", "Id or name of the resource, ignoring case; `*` is a wildcard."),
    _repeatable("resource_type", "Type of the resource, ignoring case; `*` is a wildcard."),
    _repeatable("ip", "IP address, or a network such as `10.0.0.0/8`."),
    _repeatable("actor_type", "Kind of actor.", enum=list(get_args(ActorType))),
    _repeatable("severity", "Severity.", enum=list(SEVERITIES)),
    _repeatable(
        "q",
        'Search: words, "phrases", OR, -word, parentheses, qualifiers such as `user:`, and values in the details such '
        "as `changes.replicas:>3` or `metadata.team:*`. Empty: all events.",
    ),
)
_ALLOW_MISSING = _query(
    "allow_missing",
    "With `order=recorded`, CSV, NDJSON and live: `true` leaves out events that the event store lacks, instead of 409 "
    "`events_missing`.",
    _choice(ALLOW_MISSING),
)
FIND = (
    *FILTERS,
    _query("limit", "Maximum number of events.", _integer(1, MOST_LISTED, default=DEFAULT_LISTED)),
    _query("offset", "Number of events to skip.", _integer(0, MOST_OFFSET, default=0)),
    _query("cursor", "`next_cursor` of the previous page, sent with the same parameters.", TEXT),
    _query(
        "order",
        "`desc` and `asc` sort by timestamp. `recorded` sorts by index: for keeping a copy, since it misses no late "
        "event.",
        _choice(ORDERS),
    ),
    _query("after", "With `order=recorded`: only events after this index.", _integer(-1, MOST_INDEX)),
    _query("count", "How to count; a count that takes longer than a second is `at_least`.", _choice(COUNTS)),
    _ALLOW_MISSING,
    _query("columns", f"With `Accept: text/csv`. {CSV_COLUMNS}", _choice(COLUMNS)),
    _query("dialect", f"With `Accept: text/csv`. {CSV_DIALECT}", _choice(DIALECTS)),
)
HISTOGRAM = (
    *FILTERS,
    _query(
        "buckets",
        "Number of intervals to aim at; each has a round length.",
        _integer(1, MOST_BUCKETS, default=DEFAULT_BUCKETS),
    ),
)
FACETS = (
    _query("field", "Field whose values are counted.", {"type": "string", "enum": list(FIELDS)}, required=True),
    _query("limit", "Maximum number of values.", _integer(1, MOST_VALUES, default=DEFAULT_VALUES)),
    *FILTERS,
)
RELATED = (
    _repeatable("by", "What the events must share with this one. Default: everything it has.", enum=list(RELATIONS)),
    _query("before", f"How far to look back: {_SPAN}", TEXT | {"default": DEFAULT_SPAN}, example="24h"),
    _query("after", f"How far to look ahead: {_SPAN}", TEXT | {"default": DEFAULT_SPAN}, example="30m"),
    _query("limit", "Maximum number of events on either side.", _integer(1, MOST_EVENTS, default=DEFAULT_LISTED)),
)
LIVE = (
    _query(
        "after",
        "Start after this index, such as `searchable_through` of a page. Default: now.",
        _integer(-1, MOST_INDEX),
    ),
    _header(
        "Last-Event-ID",
        "Index of the last message received; browsers send it by themselves. It takes precedence over `after`.",
        {"type": "string", "pattern": "^(-1|[0-9]{1,15})$"},
    ),
    _ALLOW_MISSING,
    *FILTERS,
)
RECORD = (
    _query(
        "wait",
        "`searchable`: answer when the events can be found, or with 202 after 10 seconds.",
        _choice(WAITS),
    ),
    _header(
        "Idempotency-Key",
        "Makes the request safe to repeat for seven days.",
        {"type": "string", "minLength": 1, "maxLength": 255},
    ),
    _header("Content-Encoding", "Compression of the body.", {"type": "string", "enum": ["gzip", "zstd", "identity"]}),
)
CONSISTENCY = (
    _query("first", "Size of the older checkpoint.", _integer(0, MOST_INDEX), required=True),
    _query("second", "Size of the newer checkpoint, at most that of the log.", _integer(0, MOST_INDEX), required=True),
)
EXPORTS = paging(MOST_LISTED, _EXPORT)
REVIEWS = (
    *paging(200, _REVIEW),
    _query("status", "Only reviews with this status.", {"type": "string", "enum": list(REVIEW_STATUSES)}),
)
ALERTS = (
    _query("state", "Only alerts in this state.", {"type": "string", "enum": list(ALERT_STATES)}),
    _query("rule", "Only alerts of the rule with this id.", TEXT),
    _query("before", "`next_before` of the previous page.", TEXT, example=_ALERT),
    _query(
        "order",
        "`severity`: the most severe first, then the newest.",
        {"type": "string", "enum": ["newest", "severity"], "default": "newest"},
    ),
    _query("limit", "Maximum number of alerts.", _integer(1, MOST_LISTED, default=DEFAULT_LISTED)),
)

_EVENT_ID = {"pattern": "^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$"}
# By the path up to the parameter.
PATH_PARAMETERS = {
    "/v1/audit-logs/{id}": _path("id", "Id of an event.", "evt_01hk6v2q8zfw0a3m5n7p9r1t3v", **_EVENT_ID),
    "/v1/ledger/tile/{path}": _path("path", "`0/000`, `1/x001/234.p/17` or `entries/000`.", "0/000.p/1"),
    "/log/{origin_id}": _path(
        "origin_id", "The random id at the end of the log's name.", "5f0c2a8d41e94c6f8a90b1c2d3e4f506"
    ),
    "/log/{origin_id}/tile/{path}": _path("path", "`0/000`, `1/x001/234.p/17` or `entries/000`.", "0/000.p/1"),
    "/v1/actions/{name}": _path("name", "An action, as `noun.verb`.", "invoice.approved"),
    "/v1/legal-holds/{id}": _path("id", "Id of a legal hold.", "hold_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/intake-rules/{id}": _path("id", "Id of an intake rule.", "irl_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/invitations/{id}": _path("id", "Id of an invitation.", "inv_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/members/{id}": _path("id", "Id of a member.", "usr_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/api-keys/{id}": _path("id", "Id of an API key.", "key_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/erasures/{id}": _path("id", "Id of an erasure.", "ers_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/decisions/{id}": _path("id", "Id of a decision.", "dec_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/exports/{id}": _path("id", "Id of an export.", _EXPORT),
    "/v1/exports/{id}/links/{link}": _path("link", "Id of a link.", "lnk_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/export-links/{token}": _path("token", "The last part of the link.", "eyJ0…"),
    "/v1/export-schedules/{id}": _path("id", "Id of a scheduled export.", "sch_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/alert-rules/{id}": _path("id", "Id of an alert rule.", "rul_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/detections/{id}": _path("id", "Id of a detection.", "failed_sign_ins"),
    "/v1/alerts/{id}": _path("id", "Id of an alert.", _ALERT),
    "/v1/destinations/{id}": _path("id", "Id of a destination.", "dst_01hk6v2q8zfw0a3m5n7p9r1t3v"),
    "/v1/destinations/{id}/deliveries/{delivery}": _path(
        "delivery", "Id of a delivery.", "dlv_01hk6v2q8zfw0a3m5n7p9r1t3v"
    ),
    "/v1/reports/{id}": _path("id", "Id of a report.", _EXPORT),
    "/v1/reviews/{id}": _path("id", "Id of a review.", _REVIEW),
    "/v1/reviews/{id}/findings/{event_id}": _path("event_id", "Id of an event.", "evt_01hk6v2q8zfw0a3m5n7p9r1t3v"),
}
