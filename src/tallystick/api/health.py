"""Liveness, readiness and metrics, for load balancers and monitoring."""

from functools import partial
from typing import Annotated, Any, Literal

from litestar import Response, get

from tallystick import telemetry
from tallystick.api.answers import answer, encode, encoded_answer
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import ResponseBody, doc
from tallystick.api.operation import operation
from tallystick.api.problems import MEDIA_TYPE, problem_members

RETRY_SECONDS = "5"
_operation = partial(operation, "Monitoring")


class HealthResponse(ResponseBody):
    """The process is alive."""

    status: Literal["ok"]


class ReadinessResponse(ResponseBody):
    """The server is ready."""

    status: Literal["ready"]
    checks: Annotated[dict[str, bool], doc("Result of each check: `database`, `disk` and `events`.")]


@get("/healthz", opt=_operation())
async def show_health() -> Response[HealthResponse]:
    """Check liveness.

    Answers as long as the process runs.
    """
    return answer(HealthResponse("ok"))


@get("/readyz", opt=_operation(problems=(503,)))
async def show_readiness(services: ApiServices) -> Response[ReadinessResponse]:
    """Check readiness.

    Checks the control database, the event store and the disk. Recording continues without the event store: route
    recording by `/healthz` if it is to continue then.
    """
    checks = dict(await services.readiness.checks())
    if all(checks.values()):
        return answer(ReadinessResponse("ready", checks))
    failing = ", ".join(name for name, passed in checks.items() if not passed)
    detail = f"Failed checks: {failing}. See the server's log."
    content = problem_members(503, "not_ready", "Not ready", detail, {"checks": checks})
    return encoded_answer(encode(content), MEDIA_TYPE, status=503, headers={"Retry-After": RETRY_SECONDS})


@get("/metrics", opt=_operation(answer="The metrics.", media={"text/plain": {"type": "string"}}))
async def show_metrics() -> Response[Any]:
    """Get the metrics.

    In the text format of Prometheus.
    """
    return encoded_answer(telemetry.metrics_text(), telemetry.METRICS_CONTENT_TYPE)
