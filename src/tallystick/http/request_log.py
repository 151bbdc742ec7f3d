"""Gives each request an id, which its answer and the log lines about it carry, and writes the access log."""

import re
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import structlog
from litestar.types import ASGIApp

from tallystick.access.client_address import client_address, read_address, within
from tallystick.setting_values import Network

HEADER = b"x-request-id"
_FORWARDED_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")

logger = structlog.get_logger(__name__)


def log_requests(app: ASGIApp, trusted_proxies: Sequence[Network], *, access_log: bool) -> ASGIApp:
    """`app` with an id for each request, `req_…`; the `X-Request-Id` of a trusted proxy is used as it is.

    With `access_log`, one line is logged when an answer has ended or its client has gone: `request_served` with the
    method, the route, the status (0 if no answer began), the client's address and the seconds. The route is the
    template of the path, such as `/v1/audit-logs/{id}`: paths and queries hold tokens of links, and what people search
    for.
    """

    async def identify(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request_id = _forwarded_id(scope, trusted_proxies) or f"req_{secrets.token_hex(10)}"
        scope["request_id"] = request_id
        began, status = time.monotonic(), 0

        async def send_with_id(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await app(scope, receive, send_with_id)
            finally:
                if access_log:
                    logger.info(
                        "request_served", method=scope["method"], route=scope.get("path_template", ""), status=status,
                        address=_address(scope, trusted_proxies), seconds=round(time.monotonic() - began, 4),
                    )  # fmt: skip

    return identify


def _forwarded_id(scope: Any, trusted_proxies: Collection[Network]) -> str:
    """The id that a trusted proxy has given the request; empty without one."""
    peer = read_address(scope["client"][0]) if trusted_proxies and scope.get("client") else None
    if peer is None or not within(peer, trusted_proxies):
        return ""
    given = _header(scope, HEADER)
    return given.decode() if _FORWARDED_ID.fullmatch(given) else ""


def _address(scope: Any, trusted_proxies: Iterable[Network]) -> str:
    peer = scope["client"][0] if scope.get("client") else ""
    return client_address(peer, _header(scope, b"x-forwarded-for").decode("latin-1"), trusted_proxies)[0]


def _header(scope: Any, name: bytes) -> bytes:
    """The values of a header joined by commas, as the address of the client is read from all of them."""
    return b",".join(value for key, value in scope["headers"] if key == name)
