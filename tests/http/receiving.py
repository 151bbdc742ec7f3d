"""Requests whose bodies come in given messages, without a server."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from tallystick.http.allowance import Allowance
from tallystick.http.request import BoundedRequest


def request(
    *chunks: bytes, ends: bool = True, gone: bool = False, opt: dict[str, Any] | None = None, **headers: str
) -> BoundedRequest:
    """A POST whose body comes in these chunks. Without `ends` it then pauses for ever; `gone`: the client leaves."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if gone:
        messages.append({"type": "http.disconnect"})
    elif ends:
        messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    pairs: Iterable[tuple[str, str]] = headers.items()
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in pairs]
    handler = SimpleNamespace(opt=opt or {})
    scope: Any = {
        "type": "http", "method": "POST", "headers": raw, "state": {}, "query_string": b"", "route_handler": handler,
    }  # fmt: skip
    return BoundedRequest(scope, receive)


def allowance(most: int = 1 << 30) -> Allowance:
    """A budget of its own."""
    return Allowance(most, "Full. Try again.", "overloaded")
