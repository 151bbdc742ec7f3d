"""The answers that many operations share: the problems, by status."""

from typing import Any

from tallystick.api.document.codes import CODES
from tallystick.api.document.schemas import ref

_TITLES = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 406: "NotAcceptable", 408: "TooSlow",
    409: "Conflict", 413: "TooLarge", 415: "UnsupportedMedia", 422: "Invalid", 429: "TooMany", 500: "Broken",
    503: "Unavailable",
}  # fmt: skip
_WAIT = {"Retry-After": {"description": "Seconds to wait before asking again.", "schema": {"type": "integer"}}}
_HEADERS: dict[int, Any] = {
    401: {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}},
    429: _WAIT,
    503: _WAIT,
}


def _problem(status: int) -> dict[str, Any]:
    meanings = [f"`{code}`: {meaning}" for code, (of, meaning) in CODES.items() if of == status]
    said: dict[str, Any] = {
        "description": "\n".join(meanings),
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }
    return said | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


ANSWERS = {title: _problem(status) for status, title in _TITLES.items()}


def problems(*statuses: int) -> dict[str, Any]:
    """The problems that an operation may answer with, by status."""
    return {str(status): {"$ref": f"#/components/responses/{_TITLES[status]}"} for status in statuses}


def json_of(description: str, schema: str) -> dict[str, Any]:
    """An answer in JSON of that schema."""
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}


def body_of(schema: str) -> dict[str, Any]:
    """A request whose body is JSON of that schema."""
    return {"required": True, "content": {"application/json": {"schema": ref(schema)}}}


def operation(
    tag: str, name: str, summary: str, description: str, answer: dict[str, Any], *also: int, **more: Any
) -> dict[str, Any]:
    """An operation that needs a key; `also` are the problems beyond those that any of them may answer with."""
    return {
        "tags": [tag], "operationId": name, "summary": summary, "description": description, **more,
        "responses": answer | problems(*sorted({400, 401, 403, 429, 500, 503, *also})),
    }  # fmt: skip
