"""Liveness, readiness and metrics, for load balancers and monitoring."""

from functools import partial
from hmac import compare_digest
from typing import Annotated, Any, Literal

from litestar import Request, Response, get

from tallystick import telemetry
from tallystick.access.client_address import client_address, is_unknown_proxy, read_address, within
from tallystick.access.secret import doctor_token
from tallystick.api.answers import answer, encode, encoded_answer
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import ResponseBody, doc
from tallystick.api.operation import operation
from tallystick.api.problems import MEDIA_TYPE, problem_members
from tallystick.errors import Forbidden
from tallystick.http.request import forwarded_for
from tallystick.settings import Settings

RETRY_SECONDS = "5"
_operation = partial(operation, "Monitoring")


class HealthResponse(ResponseBody):
    """The process is alive."""

    status: Literal["ok"]


class ReadinessResponse(ResponseBody):
    """The server is ready, or records events while some cannot be found."""

    status: Annotated[Literal["ready", "degraded"], doc("`degraded`: see the failed checks; recording continues.")]
    checks: Annotated[
        dict[str, bool],
        doc(
            "Result of each check: `database`, `disk`, `events` (the event store answers and is not damaged) and "
            "`events_complete` (it has all events that it should have)."
        ),
    ]


@get("/healthz", opt=_operation())
async def show_health() -> Response[HealthResponse]:
    """Check liveness.

    Answers as long as the process runs.
    """
    return answer(HealthResponse("ok"))


@get("/readyz", opt=_operation(problems=(503,)))
async def show_readiness(services: ApiServices) -> Response[ReadinessResponse]:
    """Check readiness.

    Checks the control database, the event store and the disk. 503 only where nothing can be recorded: without the
    event store, or with missing events, the server is `degraded`.
    """
    checks = dict(await services.readiness.checks())
    if checks["database"] and checks["disk"]:
        return answer(ReadinessResponse("ready" if all(checks.values()) else "degraded", checks))
    failing = ", ".join(name for name, passed in checks.items() if not passed)
    detail = f"Failed checks: {failing}. See the server's log."
    content = problem_members(503, "not_ready", "Not ready", detail, {"checks": checks})
    return encoded_answer(encode(content), MEDIA_TYPE, status=503, headers={"Retry-After": RETRY_SECONDS})


@get(
    "/metrics",
    opt=_operation(answer="The metrics.", media={"text/plain": {"type": "string"}}, problems=(403,)),
)
async def show_metrics(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get the metrics.

    In the text format of Prometheus. Takes no API key: the operator's settings say which machines can read them, or
    with which bearer token.
    """
    if not _can_read_metrics(request, services.settings):
        raise Forbidden(
            "This machine cannot read the metrics. The operator can allow its network (TALLYSTICK_METRICS_NETWORKS), "
            "or give a token (TALLYSTICK_METRICS_TOKEN) to send as `Authorization: Bearer …`.",
            code="metrics_closed",
        )
    return encoded_answer(telemetry.metrics_text(), telemetry.METRICS_CONTENT_TYPE)


def _can_read_metrics(request: Request[Any, Any, Any], settings: Settings) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    tokens = [doctor_token(settings.secret_keys), *([settings.metrics_token] if settings.metrics_token else [])]
    if scheme.lower() == "bearer" and any(compare_digest(token.strip().encode(), one.encode()) for one in tokens):
        return True
    client, forwarded = request.scope["client"], forwarded_for(request)
    peer = client[0] if client else ""
    # Behind a proxy that the operator did not name, everybody seems to be the proxy.
    if is_unknown_proxy(peer, forwarded, settings.trusted_proxies):
        return False
    address = read_address(client_address(peer, forwarded, settings.trusted_proxies)[0])
    return address is not None and within(address, settings.metrics_networks)
