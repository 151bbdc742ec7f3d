"""JSON answers, and the headers that every answer of the API carries."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response

JSON = "application/json"
# An answer holds the trail: nobody between is to keep it, and no browser is to take it for a page.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

encode = msgspec.json.Encoder().encode


def answer(
    content: object, *, status: int = 200, media_type: str = JSON, headers: Mapping[str, str] | None = None
) -> Response[Any]:
    """`content` as JSON, or as it is when it is bytes."""
    body = content if isinstance(content, bytes) else encode(content)
    return Response(
        body, status_code=status, media_type=media_type, headers=HEADERS if headers is None else {**HEADERS, **headers}
    )
