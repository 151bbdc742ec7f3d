"""The metrics of every request, by route template: also of those that no route takes."""

import time
from typing import Any

from litestar.types import ASGIApp
from prometheus_client import Histogram

from tallystick.telemetry import http_request_seconds

NO_ROUTE = "none"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def observed(app: ASGIApp) -> ASGIApp:
    """`app`, measuring the time until an answer begins; a streamed one may go on for hours after that."""

    # Looking a metric up by its labels takes longer than all the rest here; there are few of them.
    known: dict[tuple[str, str, int], Histogram] = {}

    async def measure(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()

        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in METHODS else "other"
                route = scope.get("path_template", NO_ROUTE)
                status = message["status"]
                seconds = known.get((route, method, status))
                if seconds is None:
                    seconds = known[route, method, status] = http_request_seconds.labels(route, method, str(status))
                seconds.observe(time.perf_counter() - began)
            await send(message)

        await app(scope, receive, note)

    return measure
