"""The operations of erasure."""

from functools import partial
from typing import Any

from tallystick.api.document.answers import body_of, json_of, operation
from tallystick.api.document.schemas import COUNT, THROUGH, TIME, fields, listed, ref, text

_of = partial(operation, "Keep")
_WHEN = TIME | {"type": ["string", "null"]}
_ID = {
    "name": "id", "in": "path", "required": True, "description": "The id of an erasure.", "schema": {"type": "string"},
    "example": "ers_01hk6v2q8zfw0a3m5n7p9r1t3v",
}  # fmt: skip
_COUNTS = {"type": "object", "additionalProperties": COUNT}
_ALSO = text("A text by which the person is known, such as a name.", minLength=3, maxLength=320)


def _or_null(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "null"}], "description": description}


ERASED_SCHEMAS: dict[str, Any] = {
    "ErasureInput": fields(
        {
            "subject": fields(
                {"email": text("The person's e-mail address."), "id": text("The person's id.")},
                optional=("email", "id"), description="One of both at least.",
            ),
            "reason": text("Why; it stands in the trail for ever, without the person.", minLength=1, maxLength=500),
            "also": listed(_ALSO, maxItems=20),
        },
        optional=("also",),
    ),
    "Erasure": fields(
        {
            "id": text("`ers_` and 26 characters."),
            "state": text(
                "How it stands.", enum=["looking", "ready", "confirmed", "completed", "cancelled", "expired"]
            ),
            "subject": _or_null(ref("ErasureSubject"), "Whose data; null once it is over."),
            "also": {
                "type": ["array", "null"], "items": {"type": "string"}, "description": "By which further texts.",
            },
            "reason": text("Why."),
            "requested_by": ref("ErasureBy"),
            "requested_at": TIME,
            "expires_at": _WHEN,
            "confirmed_by": _or_null(ref("ErasureBy"), "Who confirmed it."),
            "confirmed_at": _WHEN,
            "finished_at": _WHEN,
            "preview": _or_null(ref("ErasurePreview"), "What was found so far; null once it is over."),
            "erased": COUNT | {"description": "So many events lost parts."},
            "held": COUNT | {"description": "So many did not, being under a hold."},
            "waits_for": {
                "type": ["string", "null"],
                "description": "Why the last step failed, such as an archive out of reach. It is tried again.",
            },
        }
    ),
    "ErasureSubject": fields({"email": {"type": ["string", "null"]}, "id": {"type": ["string", "null"]}}),
    "ErasureBy": fields({"id": text("`usr_…` or `key_…`."), "name": text("As it was called then.")}),
    "ErasureAccount": fields({"id": text("`usr_…`"), "role": text("Its role.")}),
    "ErasurePreview": fields(
        {
            "events": COUNT | {"description": "So many lose parts."},
            "held": COUNT | {"description": "So many stay whole, under a legal hold."},
            "archived": COUNT | {"description": "So many of the events are in the operator's archive."},
            "kinds": _COUNTS | {"description": "As what the person was found: actor, context, resource …"},
            "parts": _COUNTS | {"description": "Which parts go, of how many events."},
            "names": {
                "type": "object", "additionalProperties": listed({"type": "string"}),
                "description": "Under which the person acted: for `also`.",
            },
            "places": _COUNTS | {"description": "Cases, saved views and others that speak of the person."},
            "account": _or_null(ref("ErasureAccount"), "The account, which an erasure leaves."),
            "searched_through": THROUGH,
        }
    ),
    "Erasures": fields({"data": listed(ref("Erasure"))}),
}  # fmt: skip


_BODY = body_of("ErasureInput")

ERASING: dict[str, Any] = {
    "/v1/erasures": {
        "get": _of(
            "listErasures", "All erasures", "Newest first, those that are over too.",
            {"200": json_of("The erasures.", "Erasures")},
        ),
        "post": _of(
            "askErasure", "Ask for an erasure", "Looks for a person as actor, as resource and in details. Nothing is "
            "erased before a second person confirms it; after seven days it is forgotten. The answer waits up to five "
            "seconds for the preview: while `state` is `looking`, ask again.",
            {"201": json_of("Asked for.", "Erasure")}, 408, 409, 413, 415, requestBody=_BODY,
        ),
    },
    "/v1/erasures/{id}": {
        "get": _of(
            "showErasure", "One erasure", "Over or not.", {"200": json_of("The erasure.", "Erasure")}, 404,
            parameters=[_ID],
        )
    },
    "/v1/erasures/{id}/confirm": {
        "post": _of(
            "confirmErasure", "Confirm an erasure", "By somebody else than who asked. What is recorded afterwards is "
            "not looked through. Confirming again changes nothing.",
            {"200": json_of("Confirmed.", "Erasure")}, 404, 409, parameters=[_ID],
        )
    },
    "/v1/erasures/{id}/cancel": {
        "post": _of(
            "cancelErasure", "Cancel an erasure", "Before it is confirmed. Cancelling again changes nothing.",
            {"200": json_of("Cancelled.", "Erasure")}, 404, 409, parameters=[_ID],
        )
    },
}  # fmt: skip
