"""The operations of the integrity check, and of logs that everybody may read."""

from typing import Any

from tallystick.api.document.answers import problems
from tallystick.api.document.proving import CONSISTENCY, KEY, NOTE, TILE, Operation
from tallystick.api.document.schemas import COUNT, TIME, fields, listed, ref, text

_WHEN = TIME | {"type": ["string", "null"]}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MAYBE_ROUND = {"oneOf": [ref("CheckRound"), {"type": "null"}]}

CHECKED_SCHEMAS: dict[str, Any] = {
    "CheckRound": fields(
        {
            "started_at": TIME,
            "finished_at": _WHEN,
            "asked_by": text("Who asked for it; null for the daily one.") | _MAYBE_TEXT,
            "entries": COUNT | {"description": "It goes over so many entries: up to a signed checkpoint."},
            "done": COUNT | {"description": "It came so far."},
            "events": COUNT | {"description": "So many stored events were compared with the log."},
            "expired": COUNT | {"description": "So many are gone, and the record of a purge says why."},
            "erased": COUNT | {"description": "So many lost parts, and the record of an erasure says why."},
            "differences": COUNT,
            "first_differences": listed(
                fields({"index": COUNT, "problem": text("What is wrong at this index of the log.")})
            ),
        }
    ),
    "Check": fields(
        {
            "size": COUNT | {"description": "How many entries the log has."},
            "frozen": text("Why the log is frozen; null when it is not.") | _MAYBE_TEXT,
            "waiting": {"type": "boolean", "description": "One was asked for and has not begun."},
            "running": _MAYBE_ROUND,
            "last": _MAYBE_ROUND,
        }
    ),
}

_CHECK = {"description": "How it stands.", "content": {"application/json": {"schema": ref("Check")}}}
_ALWAYS = (400, 401, 403, 429, 500, 503)
_LOG_ID = {
    "name": "origin_id", "in": "path", "required": True, "schema": {"type": "string"},
    "description": "The random id at the end of the log's name.", "example": "5f0c2a8d41e94c6f8a90b1c2d3e4f506",
}  # fmt: skip


def _public(original: Operation, name: str) -> Operation:
    """The same of a log that everybody may read: without a key."""
    return original | {
        "operationId": name,
        "summary": f"{original['summary']}, without a key",
        "description": f"{original['description']} Only where the organization's owner lets everybody read the log.",
        "security": [],
        "parameters": [_LOG_ID, *original.get("parameters", [])],
        "responses": {"200": original["responses"]["200"]} | problems(400, 404, 429, 500, 503),
    }


CHECKING: dict[str, Any] = {
    "/v1/ledger/check": {
        "get": {
            "tags": ["Prove"], "operationId": "showCheck", "summary": "How the integrity check stands",
            "description": "The one under way, and what the last one found.",
            "responses": {"200": _CHECK} | problems(*_ALWAYS),
        },
        "post": {
            "tags": ["Prove"], "operationId": "startCheck", "summary": "Check the trail now",
            "description": "Compares every stored event, every tile and the signed root, in the background. Asking "
            "is recorded, and so is a check that was asked for and found nothing wrong.",
            "responses": {"202": _CHECK} | problems(*_ALWAYS),
        },
    },
    "/log/{origin_id}/checkpoint": {"get": _public(NOTE, "showPublicCheckpoint")},
    "/log/{origin_id}/key": {"get": _public(KEY, "showPublicKey")},
    "/log/{origin_id}/tile/{path}": {"get": _public(TILE, "showPublicTile")},
    "/log/{origin_id}/consistency": {"get": _public(CONSISTENCY, "showPublicConsistency")},
}  # fmt: skip
