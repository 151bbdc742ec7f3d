"""JSON answers, and the headers that every answer of the API has."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from litestar import Response

T = TypeVar("T")
JSON = "application/json"
# Answers hold audit events: no proxy may cache them, and no browser may show them as a page.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

encode = msgspec.json.Encoder().encode


def answer(content: T, *, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response[T]:
    """`content` as JSON, with the status that the handler declares unless another is given."""
    return encoded_answer(encode(content), status=status, headers=headers)


def encoded_answer(
    body: bytes, media_type: str = JSON, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response[Any]:
    """An answer whose body is encoded already."""
    return Response(
        body, status_code=status, media_type=media_type, headers=HEADERS if headers is None else {**HEADERS, **headers}
    )
