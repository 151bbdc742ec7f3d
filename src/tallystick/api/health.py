"""Whether the server lives, is ready, and how it fares: for load balancers and monitoring."""

from typing import Any

from litestar import Response, get

from tallystick import telemetry
from tallystick.api.answers import HEADERS, answer
from tallystick.api.dependencies import ApiServices
from tallystick.api.problems import MEDIA_TYPE, document

RETRY_SECONDS = "5"


@get("/healthz", name="api.show_health")
async def show_health() -> Response[Any]:
    """The process answers."""
    return answer({"status": "ok"})


@get("/readyz", name="api.show_readiness")
async def show_readiness(services: ApiServices) -> Response[Any]:
    """Control database, event store and disk are as they have to be."""
    checks = await services.readiness.checks()
    if all(checks.values()):
        return answer({"status": "ready", "checks": checks})
    failing = ", ".join(name for name, fine in checks.items() if not fine)
    detail = f"Not as it has to be: {failing}. The server's log says more."
    content = document(503, "not_ready", "Not ready", detail, {"checks": checks})
    return answer(content, status=503, media_type=MEDIA_TYPE, headers={"Retry-After": RETRY_SECONDS})


@get("/metrics", name="api.show_metrics")
async def show_metrics() -> Response[Any]:
    """The metrics in Prometheus' text format."""
    return Response(telemetry.metrics_text(), media_type=telemetry.METRICS_CONTENT_TYPE, headers=HEADERS)
