"""The operations of exports."""

from functools import partial
from typing import Any

from tallystick.api.document.answers import body_of, json_of, operation, problems
from tallystick.api.document.schemas import COUNT, TIME, fields, listed, ref, text
from tallystick.exports.request import KINDS
from tallystick.render.writers import FORMATS
from tallystick.search.filters import NAMES

_of = partial(operation, "Export")
_WHEN = TIME | {"type": ["string", "null"]}
_MAYBE: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0}
_ID = {
    "name": "id", "in": "path", "required": True, "description": "The id of an export.", "schema": {"type": "string"},
    "example": "exp_01hk6v2q8zfw0a3m5n7p9r1t3v",
}  # fmt: skip
_TOKEN = {
    "name": "token", "in": "path", "required": True, "description": "As a link has it.", "schema": {"type": "string"},
}  # fmt: skip
_PAGING = [
    {"name": "limit", "in": "query", "description": "So many at most.",
     "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50}},
    {"name": "before", "in": "query", "description": "Those that are older than this one.",
     "schema": {"type": "string"}, "example": "exp_01hk6v2q8zfw0a3m5n7p9r1t3v"},
]  # fmt: skip
_FORMAT = text("The form of the file.", enum=list(FORMATS))
_VALUES = {"type": "array", "items": {"type": "string"}}

EXPORTED_SCHEMAS: dict[str, Any] = {
    "ExportInput": fields(
        {
            "format": _FORMAT,
            "filter": {
                "type": "object",
                "description": "The filters of finding events: a text, or a list of which one must match. None: all.",
                "properties": {name: {"oneOf": [{"type": "string"}, _VALUES]} for name in NAMES},
                "additionalProperties": False,
            },
        },
        optional=("filter",),
    ),
    "Export": fields(
        {
            "id": text("`exp_` and 26 characters."),
            "format": text("The form of the file; reports and their evidence are exports too.", enum=list(KINDS)),
            "filter": {"type": "object", "additionalProperties": _VALUES},
            "position": COUNT | {"description": "The log's size when it was asked for: only what is below is in it."},
            "status": text("How it stands.", enum=["queued", "running", "completed", "failed", "cancelled"]),
            "gone": {
                "enum": ["expired", "deleted", "erased", "lost", None],
                "description": "Why the file of a completed export is not there any more.",
            },
            "progress": {"type": "number", "minimum": 0, "maximum": 1},
            "rows": _MAYBE,
            "bytes": _MAYBE,
            "sha256": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
            "error": {"type": ["string", "null"], "description": "Why it failed."},
            "requested_by": fields({"type": text("`user` or `api_key`."), "id": text("Its id."), "name": text("Who.")}),
            "requested_at": TIME,
            "finished_at": _WHEN,
            "expires_at": _WHEN | {"description": "The file goes then."},
        }
    ),
    "Exports": fields({"data": listed(ref("Export"))}),
    "LinkInput": fields(
        {"expires_in": {"type": "integer", "minimum": 60, "default": 86_400, "description": "Seconds."}},
        optional=("expires_in",),
    ),
    "ExportLink": fields({"url": text("Whoever has it gets the file, until then."), "expires_at": TIME}),
}


_TYPES = dict.fromkeys(form.media_type.partition(";")[0] for form in KINDS.values())
_FILE: dict[str, Any] = {
    "200": {
        "description": "The file; `Repr-Digest` has its SHA-256.",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in _TYPES},
    }
}

EXPORTING: dict[str, Any] = {
    "/v1/exports": {
        "get": _of(
            "listExports", "All exports", "Newest first, with those that failed and those whose file is gone.",
            {"200": json_of("The exports.", "Exports")}, 404, parameters=_PAGING,
        ),
        "post": _of(
            "askExport", "Ask for an export", "Of what the filter finds in the log as it is now, of any size. It is "
            "made in the background, of one organization after the other.",
            {"202": json_of("It waits.", "Export")}, 408, 409, 413, 415, requestBody=body_of("ExportInput"),
        ),
    },
    "/v1/exports/{id}": {
        "get": _of(
            "showExport", "One export", "How it stands.", {"200": json_of("The export.", "Export")}, 404,
            parameters=[_ID],
        ),
        "delete": _of(
            "endExport", "Cancel or delete", "Cancels what is not finished, deletes the file of what is. Somebody "
            "else's takes a key with `admin`. That it was asked for stays in the list.",
            {"200": json_of("Ended.", "Export")}, 404, parameters=[_ID],
        ),
    },
    "/v1/exports/{id}/download": {
        "get": _of("downloadExport", "The file", "As it was made.", _FILE, 404, 409, parameters=[_ID])
    },
    "/v1/exports/{id}/link": {
        "post": _of(
            "linkExport", "Make a link", "That gives the file to whoever has it, without a key, until it is over: no "
            "longer than the file is kept. Deleting the export ends its links.",
            {"201": json_of("Made.", "ExportLink")}, 404, 408, 409, 413, 415, requestBody=body_of("LinkInput"),
            parameters=[_ID],
        )
    },
    "/v1/export-links/{token}": {
        "get": {
            "tags": ["Export"], "operationId": "followExportLink", "summary": "The file, by a link", "security": [],
            "description": "For whoever has the link. The trail says that it was used, and from where.",
            "parameters": [_TOKEN], "responses": _FILE | problems(400, 404, 409, 429, 500, 503),
        }
    },
}  # fmt: skip
