"""The operations of the ledger."""

from typing import Any

from tallystick.api.document.answers import problems
from tallystick.api.document.parameters import EVENT_ID
from tallystick.api.document.schemas import ref
from tallystick.api.prove import MOST_ENTRIES

Operation = dict[str, Any]


def _text(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}, "example": example}}}


def _size(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0, "maximum": MOST_ENTRIES}
    return {"name": name, "in": "query", "required": True, "description": description, "schema": schema}


_READING = (400, 401, 403, 429, 500, 503)
_HASH = "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=\n"
_NOTE = (
    "audit.example.com/log/5f0c…\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n"
    "— audit.example.com/log/5f0c… Hd5FMb8RwD+W…\n"
)

NOTE: Operation = {
    "tags": ["Prove"],
    "operationId": "showCheckpoint",
    "summary": "The signed checkpoint",
    "description": "The log's name, its size and its root, signed with Ed25519 (C2SP tlog-checkpoint, signed-note). "
    "While the log grows it is at most a second old.",
    "responses": {"200": _text("The note.", _NOTE)} | problems(*_READING),
}
KEY: Operation = {
    "tags": ["Prove"],
    "operationId": "showKey",
    "summary": "The keys that sign",
    "description": "Each as a vkey line (C2SP signed-note), the current one first; two while a key is being changed. "
    "Note the key when you begin, and keep it elsewhere: a key that comes with the evidence proves nothing.",
    "responses": {"200": _text("The keys.", "audit.example.com/log/5f0c…+1dde4531+ATtqJ7zO…\n")} | problems(*_READING),
}
TILE: Operation = {
    "tags": ["Prove"],
    "operationId": "showTile",
    "summary": "A tile of the log",
    "description": "As C2SP tlog-tiles has them: `<level>/<number>` are up to 256 hashes of 32 bytes, "
    "`entries/<number>` up to 256 entries, each behind its length. Partial widths end in `.p/<width>`; "
    "narrower ones than there are by now are served too. They never change.",
    "parameters": [
        {
            "name": "path", "in": "path", "required": True, "schema": {"type": "string"}, "example": "0/000.p/1",
            "description": "`0/000`, `1/x001/234.p/17`, `entries/000`.",
        }
    ],
    "responses": {
        "200": {"description": "The bytes.", "content": {"application/octet-stream": {"schema": {"type": "string"}}}}
    } | problems(400, 401, 403, 404, 429, 500, 503),
}  # fmt: skip
CONSISTENCY: Operation = {
    "tags": ["Prove"],
    "operationId": "showConsistency",
    "summary": "That the log only grew",
    "description": "The consistency proof (RFC 9162, 2.1.4) between two sizes, leaf side first: base64, one hash on "
    "each line; nothing where nothing is to be shown.",
    "parameters": [
        _size("first", "The size of the older checkpoint."),
        _size("second", "The size of the newer one; at most that of the log."),
    ],
    "responses": {"200": _text("The hashes.", _HASH)} | problems(*_READING),
}
_PROOF: Operation = {
    "tags": ["Prove"],
    "operationId": "showProof",
    "summary": "The proof of an event",
    "description": "That the event stands at its index under a signed checkpoint, also the moment after it was "
    "recorded. As text it is a C2SP tlog-proof that reveals nothing of the event; as JSON the event's exact parts "
    "are with it, and `tallystick verify` needs nothing else but the key.",
    "parameters": [EVENT_ID],
    "responses": {
        "200": {
            "description": "The proof.",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/json": {"schema": ref("Proof")},
            },
        }
    } | problems(400, 401, 403, 404, 406, 429, 500, 503),
}  # fmt: skip

PROVING: dict[str, Any] = {
    "/v1/audit-logs/{id}/proof": {"get": _PROOF},
    "/v1/ledger/checkpoint": {"get": NOTE},
    "/v1/ledger/key": {"get": KEY},
    "/v1/ledger/tile/{path}": {"get": TILE},
    "/v1/ledger/consistency": {"get": CONSISTENCY},
}
