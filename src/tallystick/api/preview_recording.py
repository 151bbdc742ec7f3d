"""What recording events would do: POST /v1/audit-logs/preview."""

from typing import Annotated, Any

from litestar import Request, Response, post
from msgspec import Meta

from tallystick.api.answers import answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.api.record_events import EVENT_BODIES, NDJSON_BODY, refuse_cloudevents
from tallystick.http.body import read_body


class RecordingPreviewResponse(ResponseBody):
    """What recording a request would do."""

    older: Annotated[
        list[Count],
        doc(
            "Positions, from 0, of events that are older than what the organization keeps, so that a purge deletes "
            "them after a day. Known events and those that an intake rule drops are not among them."
        ),
    ]
    keeps_from: Annotated[Time, Meta(description="Events at this time or later are kept, whatever they are.")]


@post(
    "/v1/audit-logs/preview",
    status_code=200,
    request_max_body_size=None,
    opt=operation(
        "Recording", "events:write", serves_filtered=True, body=EVENT_BODIES, bodies=NDJSON_BODY, problems=(422,)
    ),
)
async def preview_recording(
    request: Request[Any, Any, Any], services: ApiServices
) -> Response[RecordingPreviewResponse]:
    """Preview recording.

    Takes what recording takes, checks it in the same way, and records nothing. `older` says which of the events are
    older than what is kept, so that an import can leave them out, or the retention can be made longer first.
    """
    scope = await authorize_scope(request, services)
    refuse_cloudevents(request)
    async with read_body(request, services.bodies, scope.org_id) as body:
        found = await services.recorder.preview(scope, body, request.headers.get("content-type", ""))
    return answer(RecordingPreviewResponse(found.older, found.keeps_from))
