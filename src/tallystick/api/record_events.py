"""Recording: POST /v1/audit-logs."""

from typing import Any

from litestar import Request, Response, post

from tallystick.api.answers import answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.body import read_body
from tallystick.api.dependencies import ApiServices
from tallystick.api.parameters import Parameters

PARAMETERS = frozenset({"wait"})
WAITS = ("recorded", "searchable")


# The limit of the body is held in body.py, which also counts what a packed one unpacks to.
@post("/v1/audit-logs", name="api.record_events", request_max_body_size=None)
async def record_events(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Records events, all or none; 201 when they are on disk, ordered and in the log."""
    scope = await authorize_scope(request, services, "events:write")
    wait = Parameters.of(request, PARAMETERS).choice("wait", WAITS)
    headers = request.headers
    async with read_body(request, services.bodies) as body:
        recorded = await services.recorder.record(
            scope, body, headers.get("content-type", ""), idempotency_key=headers.get("idempotency-key")
        )
    status = 201
    if wait == "searchable" and not await services.recorder.searchable(scope.org_id, recorded.last_index):
        status = 202
    return answer(recorded.body(), status=status)
