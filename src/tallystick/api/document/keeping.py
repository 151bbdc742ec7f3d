"""The operations of retention and legal holds."""

from functools import partial
from typing import Any

from tallystick.api.document.answers import body_of, json_of, operation
from tallystick.api.document.schemas import COUNT, TIME, fields, listed, ref, text

_of = partial(operation, "Keep")
_WHEN = TIME | {"type": ["string", "null"]}
_HOLD_ID = {
    "name": "id", "in": "path", "required": True, "description": "The id of a hold.", "schema": {"type": "string"},
    "example": "hold_01hk6v2q8zfw0a3m5n7p9r1t3v",
}  # fmt: skip
_HOLD_FIELDS = {
    "name": text("What people call it.", minLength=1, maxLength=100),
    "query": text("A search: what it finds is held.", maxLength=2000),
    "start": text("A date or time: what is older is not held.", maxLength=2000),
    "end": text("A date, which is included, or a time, which is not.", maxLength=2000),
}

_COUNTED = {
    "events": COUNT,
    "never_exported": COUNT | {"description": "So many of them never left the server in an export or an archive."},
    "relation": text("`at_least` when the time was not enough to count them all.", enum=["exact", "at_least"]),
}
_PLAN = text("The plan.", enum=["free", "pro", "enterprise"])
_DAYS = {"type": "integer", "minimum": 1, "maximum": 36_500}

KEPT_SCHEMAS: dict[str, Any] = {
    "HoldInput": fields(_HOLD_FIELDS, optional=("query", "start", "end")),
    "Hold": fields(
        {"id": text("`hold_` and 26 characters."), **_HOLD_FIELDS}
        | {"placed_by": text("Who placed it."), "placed_at": TIME, "released_at": _WHEN}
    ),
    "Holds": fields({"data": listed(ref("Hold"))}),
    "Retention": fields(
        {
            "plan": _PLAN,
            "days": COUNT | {"description": "So many days events are kept."},
            "kept_days": COUNT | {"description": "What counts today: a shorter retention takes effect a day later."},
            "keeps_from": TIME,
            "expiring": fields({"within_days": COUNT, **_COUNTED}),
            "pruned": COUNT | {"description": "So many events went since the beginning."},
            "active_holds": COUNT,
            "last_purge_at": _WHEN,
            "next_purge_at": _WHEN,
            "support_contact": text("Whom to ask for a longer retention.") | {"type": ["string", "null"]},
        }
    ),
    "RetentionInput": fields(
        {
            "plan": _PLAN | {"description": "Without days: as many as the plan gives."},
            "retention_days": _DAYS | {"description": "An owner chooses them on enterprise, from 365 on."},
        },
        optional=("plan", "retention_days"),
    ),
    "RetentionChange": fields(
        {
            "plan": _PLAN,
            "retention_days": _DAYS,
            "before": fields({"plan": _PLAN, "retention_days": _DAYS}),
            "deletes": fields(_COUNTED | {"oldest": _WHEN}),
            "effective_at": TIME | {"description": "Nothing goes because of it before."},
            "keeps_from": TIME | {"description": "What is older goes then."},
        }
    ),
}


_CHANGE = body_of("RetentionInput")
_BODY = body_of("HoldInput")

KEEPING: dict[str, Any] = {
    "/v1/retention": {
        "get": _of(
            "showRetention", "How long events are kept", "The plan, what goes within a week and never left the server, "
            "and what went.", {"200": json_of("How it stands.", "Retention")},
        ),
        "post": _of(
            "changeRetention", "Change how long events are kept", "By a key that an owner or the operator made. A "
            "shorter time takes effect a day later, so that a slip can be put right. Answers as the preview does.",
            {"200": json_of("Changed.", "RetentionChange")}, 408, 413, 415, requestBody=_CHANGE,
        ),
    },
    "/v1/retention/preview": {
        "post": _of(
            "previewRetention", "What a change would delete", "How many events go because of it, from when on, and how "
            "many of them were never exported. Nothing is changed.",
            {"200": json_of("What it would do.", "RetentionChange")}, 408, 413, 415, requestBody=_CHANGE,
        )
    },
    "/v1/legal-holds": {
        "get": _of(
            "listHolds", "All legal holds", "Newest first, the released ones too.",
            {"200": json_of("The holds.", "Holds")},
        ),
        "post": _of(
            "placeHold", "Place a legal hold", "What the search finds between the two times is not deleted, from now "
            "on until the hold is released. Times such as `7d` count from now, once and for all.",
            {"201": json_of("Placed.", "Hold")}, 408, 409, 413, 415, requestBody=_BODY,
        ),
    },
    "/v1/legal-holds/{id}": {
        "get": _of(
            "showHold", "One legal hold", "Released or not.", {"200": json_of("The hold.", "Hold")}, 404,
            parameters=[_HOLD_ID],
        )
    },
    "/v1/legal-holds/{id}/release": {
        "post": _of(
            "releaseHold", "Release a legal hold", "The retention goes on for what was held. Releasing again changes "
            "nothing.", {"200": json_of("Released.", "Hold")}, 404, parameters=[_HOLD_ID],
        )
    },
}  # fmt: skip
