"""Metrics of every request by route template, including requests that match no route."""

import time
from typing import Any

from litestar.types import ASGIApp
from prometheus_client import Histogram

from tallystick.telemetry import http_request_seconds

NO_ROUTE = "none"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def measure_requests(app: ASGIApp) -> ASGIApp:
    """`app` with the time until a response starts measured; a stream may continue for hours after that."""

    # Looking a metric up by its labels takes longer than the rest of this function; there are few combinations.
    known: dict[tuple[str, str, int], Histogram] = {}

    async def measure(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()

        async def measured_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in METHODS else "other"
                route = scope.get("path_template", NO_ROUTE)
                status = message["status"]
                seconds = known.get((route, method, status))
                if seconds is None:
                    seconds = known[route, method, status] = http_request_seconds.labels(route, method, str(status))
                seconds.observe(time.perf_counter() - began)
            await send(message)

        await app(scope, receive, measured_send)

    return measure
