"""The operations of retention and legal holds."""

from typing import Any

from tallystick.api.document.answers import problems
from tallystick.api.document.schemas import COUNT, TIME, fields, listed, ref, text

Operation = dict[str, Any]

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

KEPT_SCHEMAS: dict[str, Any] = {
    "HoldInput": fields(_HOLD_FIELDS, optional=("query", "start", "end")),
    "Hold": fields(
        {"id": text("`hold_` and 26 characters."), **_HOLD_FIELDS}
        | {"placed_by": text("Who placed it."), "placed_at": TIME, "released_at": _WHEN}
    ),
    "Holds": fields({"data": listed(ref("Hold"))}),
    "Retention": fields(
        {
            "plan": text("The plan.", enum=["free", "pro", "enterprise"]),
            "days": COUNT | {"description": "So many days events are kept."},
            "kept_days": COUNT | {"description": "What counts today: a shorter retention takes effect a day later."},
            "keeps_from": TIME,
            "expiring": fields({"within_days": COUNT, "events": COUNT | {"type": ["integer", "null"]}}),
            "pruned": COUNT | {"description": "So many events went since the beginning."},
            "active_holds": COUNT,
            "last_purge_at": _WHEN,
            "next_purge_at": _WHEN,
            "support_contact": text("Whom to ask for a longer retention.") | {"type": ["string", "null"]},
        }
    ),
}


def _json(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}


def _operation(name: str, summary: str, description: str, answer: dict[str, Any], *also: int, **more: Any) -> Operation:
    return {
        "tags": ["Keep"], "operationId": name, "summary": summary, "description": description, **more,
        "responses": answer | problems(*sorted({400, 401, 403, 429, 500, 503, *also})),
    }  # fmt: skip


_BODY = {"required": True, "content": {"application/json": {"schema": ref("HoldInput")}}}

KEEPING: dict[str, Any] = {
    "/v1/retention": {
        "get": _operation(
            "showRetention", "How long events are kept", "The plan, what goes within a week, and what went. "
            "`events` is null when it could not be counted in time.", {"200": _json("How it stands.", "Retention")},
        )
    },
    "/v1/legal-holds": {
        "get": _operation(
            "listHolds", "All legal holds", "Newest first, the released ones too.",
            {"200": _json("The holds.", "Holds")},
        ),
        "post": _operation(
            "placeHold", "Place a legal hold", "What the search finds between the two times is not deleted, from now "
            "on until the hold is released. Times such as `7d` count from now, once and for all.",
            {"201": _json("Placed.", "Hold")}, 408, 409, 413, 415, requestBody=_BODY,
        ),
    },
    "/v1/legal-holds/{id}": {
        "get": _operation(
            "showHold", "One legal hold", "Released or not.", {"200": _json("The hold.", "Hold")}, 404,
            parameters=[_HOLD_ID],
        )
    },
    "/v1/legal-holds/{id}/release": {
        "post": _operation(
            "releaseHold", "Release a legal hold", "The retention goes on for what was held. Releasing again changes "
            "nothing.", {"200": _json("Released.", "Hold")}, 404, parameters=[_HOLD_ID],
        )
    },
}  # fmt: skip
