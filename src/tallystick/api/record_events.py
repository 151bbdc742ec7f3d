"""Recording events: POST /v1/audit-logs."""

from typing import Annotated, Any

from litestar import Request, Response, post
from msgspec import UNSET, Meta, UnsetType

from tallystick.api.answers import encoded_answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import EventId, LogIndex, RequestBody, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.api.parameters import Parameters
from tallystick.api.query_parameters import RECORD, WAITS
from tallystick.errors import UnsupportedMedia
from tallystick.events.body import CLOUDEVENTS
from tallystick.events.incoming import EventInput
from tallystick.http.body import read_body

Events = Annotated[list[EventInput], Meta(extra_json_schema={"minItems": 1, "maxItems": 1000})]
# In the binary mode of CloudEvents the event's facts stand in headers, and would be lost: the body alone is its data.
CLOUDEVENT_HEADERS = frozenset({b"ce-specversion", b"ce-id", b"ce-type", b"ce-source"})
LATE = "Recorded, but the events cannot be found yet after 10 seconds."


class EventBatch(RequestBody):
    """Several events."""

    events: Events


EVENT_BODIES = (EventInput, EventBatch, Events)
NDJSON_BODY = {"application/x-ndjson": {"type": "string", "description": "One event on each line."}}


class SchemaWarningResponse(ResponseBody):
    """A place of an event that does not fit the schema that the organization gave its action."""

    field: Annotated[str, doc("Path in the event, such as `changes.plan`.")]
    code: Annotated[str, doc("Code, as of the problems of events.")]
    detail: Annotated[str, doc("What the schema says.")]


class RecordedEvent(ResponseBody):
    """The receipt of one event. All but a dropped one have `id`, `index`, `timestamp` and `duplicate`."""

    id: Annotated[EventId | UnsetType, doc("Absent if the event was dropped.")] = UNSET
    index: Annotated[LogIndex | UnsetType, doc("Absent if the event was dropped.")] = UNSET
    timestamp: Annotated[Time | UnsetType, doc("Absent if the event was dropped.")] = UNSET
    duplicate: Annotated[bool, doc("Its `external_id` was known: this is the first event with it.")] | UnsetType = UNSET
    conflict: Annotated[bool, doc("Its content differs from that of the first event.")] | UnsetType = UNSET
    clock_skew: Annotated[bool, doc("Its timestamp is ahead of the server's clock.")] | UnsetType = UNSET
    expires_soon: Annotated[bool, doc("It is older than the retention.")] | UnsetType = UNSET
    schema_warnings: (
        Annotated[list[SchemaWarningResponse], doc("Where it does not fit the schema of its action; it was recorded.")]
        | UnsetType
    ) = UNSET
    dropped: (
        Annotated[str, doc("Id of the intake rule that dropped the event; nothing else is present then.")] | UnsetType
    ) = UNSET


class RecordedResponse(ResponseBody):
    """The receipts, in the order of the request."""

    events: list[RecordedEvent]
    duplicate: Annotated[bool, doc("The Idempotency-Key was known: this is the answer to the first request.")]


def refuse_cloudevents(request: Request[Any, Any, Any]) -> None:
    """Raise UnsupportedMedia for an event in the binary mode of CloudEvents."""
    if CLOUDEVENT_HEADERS.intersection(name for name, _ in request.scope["headers"]):
        raise UnsupportedMedia(CLOUDEVENTS)


# `read_body` limits the size of the body, and what a compressed one unpacks to.
@post(
    "/v1/audit-logs",
    request_max_body_size=None,
    opt=operation(
        "Recording",
        "events:write",
        serves_filtered=True,
        parameters=RECORD,
        body=EVENT_BODIES,
        bodies=NDJSON_BODY,
        statuses={202: LATE},
        problems=(409, 422),
    ),
)
async def record_events(request: Request[Any, Any, Any], services: ApiServices) -> Response[RecordedResponse]:
    """Record events.

    One event, `{"events": […]}`, a list of events, or NDJSON with one event on each line: at most 1,000 events and
    10 MiB uncompressed. Either all are recorded or none. 201 means that they are on disk, ordered, and in the log. New
    events of one request get consecutive indexes in their order. An event that an intake rule of the organization drops
    takes no index and is not recorded.
    """
    scope = await authorize_scope(request, services)
    wait = Parameters.of(request).choice("wait", WAITS)
    headers = request.headers
    refuse_cloudevents(request)
    async with read_body(request, services.bodies, scope.org_id) as body:
        recorded = await services.recorder.record(
            scope, body, headers.get("content-type", ""), idempotency_key=headers.get("idempotency-key")
        )
    status = 201
    if wait == "searchable" and not await services.recorder.searchable(scope.org_id, recorded.last_index):
        status = 202
    return encoded_answer(recorded.body(), status=status)
