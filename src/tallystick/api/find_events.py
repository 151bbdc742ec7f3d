"""Finding events: GET /v1/audit-logs as a page or as a stream, and one event by its id."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get
from msgspec import UNSET

from tallystick import ids
from tallystick.api.answers import JSON, encode, encoded_answer
from tallystick.api.authorization import authorize_scope, caller_of
from tallystick.api.dependencies import ApiServices
from tallystick.api.event_schema import EventErasure, EventResponse, event_response
from tallystick.api.fields import LostRanges, MissingRanges, ResponseBody, SearchableThrough, Time, doc, index_pairs
from tallystick.api.negotiation import choose_media_type
from tallystick.api.operation import operation
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.api.query_parameters import (
    ALLOW_MISSING,
    COUNTS,
    DEFAULT_LISTED,
    FIND,
    MOST_INDEX,
    MOST_LISTED,
    MOST_OFFSET,
    ORDERS,
)
from tallystick.api.stream_events import STREAMED, layout_of, stream_events
from tallystick.clock import now_us, rfc3339
from tallystick.erasure.records import records_of_event
from tallystick.errors import BadRequest, NotFound
from tallystick.events.record import StoredEvent
from tallystick.merkle.remains import parts_of
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from
from tallystick.search.find import Finder
from tallystick.search.page import Relation

_operation = partial(operation, "Searching", "events:read", serves_filtered=True)


class EventPage(ResponseBody):
    """A page of the events found."""

    data: list[EventResponse]
    total: Annotated[int | None, doc("Number of events in all; null with `count=none`.")]
    total_relation: Annotated[Relation | None, doc("How exact `total` is; null with `count=none`.")]
    next_cursor: Annotated[str | None, doc("`cursor` of the next page, with the same parameters; null at the end.")]
    partial: Annotated[
        bool,
        doc("The time limit was reached before all events were searched, and the cursor continues; or see `missing`."),
    ]
    searchable_through: SearchableThrough
    retention_start: Annotated[Time, doc("Older events are no longer kept.")]
    missing: MissingRanges = UNSET
    lost: LostRanges = UNSET


@get(
    "/v1/audit-logs",
    opt=_operation(parameters=FIND, media={media: {"type": "string"} for media in STREAMED}, problems=(406, 409)),
)
async def find_events(request: Request[Any, Any, Any], services: ApiServices) -> Response[EventPage]:
    """Find events.

    Newest first. With `Accept: text/csv` or `Accept: application/x-ndjson`, all events are streamed; `limit` may cut
    the stream and `order` may be `desc` or `asc`, while `cursor`, `offset` and `after` are refused. Streams and
    `order=recorded` do not skip events that the event store lacks: 409 `events_missing`, unless `allow_missing`.
    The headers `Tallystick-Missing-Events` and `Tallystick-Lost-Events` of a stream then name their positions in the
    log, and the last line of NDJSON, which is no event, does: `{"missing": [[3, 7]]}`.
    """
    reader = await authorize_scope(request, services)
    media = choose_media_type(request, (JSON, *STREAMED))
    parameters = Parameters.of(request)
    if media != JSON:
        return await stream_events(services, reader, caller_of(request, services), parameters, media)
    layout_of(parameters, media)
    page = await services.pools.searches.run(reader, _page, services.finder, reader, parameters)
    return encoded_answer(page)


@get("/v1/audit-logs/{id:str}", opt=_operation())
async def show_event(request: Request[Any, Any, Any], services: ApiServices) -> Response[EventResponse]:
    """Get an event.

    Available as soon as the event is recorded.
    """
    reader = await authorize_scope(request, services)
    Parameters.of(request)
    return encoded_answer(
        await services.pools.searches.run(reader, _event, services, reader, request.path_params["id"])
    )


def _event(services: ApiServices, reader: Scope, event_id: str) -> bytes:
    stored = find_event(services.finder, reader, event_id)
    event: Any = event_response(stored)
    if stored.remains:
        event["erased_by"] = [
            EventErasure(ids.encode("evt", record.event_id), record.index, list(parts_of(record.parts)), record.reason)
            for record in records_of_event(services.database, services.store, reader, stored.index)
        ]
    return encode(event)


def find_event(finder: Finder, reader: Scope, event_id: str) -> StoredEvent:
    """The event with an id; raises NotFound (`no_event`), also for one that the reader may not see. Blocks."""
    try:
        raw = ids.decode("evt", event_id)
    except ValueError:
        raise NotFound(
            f"Event {event_id[:60]!r} not found: the id of an event is evt_ and 26 characters.", code="no_event"
        ) from None
    stored = finder.find_one(reader, raw)
    if stored is None and (missing := finder.missing(reader, Query(start=ids.milliseconds_of(raw) * 1000))):
        raise NotFound(
            f"Event {event_id} not found. It may be one of those that the event store lacks.",
            code="no_event",
            missing=missing,
        )
    if stored is None:
        raise NotFound(
            f"Event {event_id} not found in this organization, or it is past its retention.", code="no_event"
        )
    return stored


def _paging(parameters: Parameters) -> dict[str, Any]:
    """The arguments of Finder.page that select a part of the result."""
    order = parameters.choice("order", ORDERS)
    after = parameters.integer("after", -1, MOST_INDEX)
    offset = parameters.integer("offset", 0, MOST_OFFSET)
    limit = parameters.integer("limit", 1, MOST_LISTED)
    if after is not None and order != "recorded":
        raise bad_parameter("after", "after requires order=recorded; in other orders, continue with a cursor.")
    if offset and order == "recorded":
        raise bad_parameter("offset", "order=recorded continues with after=<index> or a cursor, not with an offset.")
    cursor = parameters.single("cursor")
    if cursor == "":
        raise BadRequest(
            "The cursor is empty. Leave it out for the first page, and stop when next_cursor is null.",
            code="bad_cursor",
        )
    return {
        "limit": DEFAULT_LISTED if limit is None else limit,
        "offset": offset or 0,
        "cursor": cursor,
        "order": order,
        "count": parameters.choice("count", COUNTS),
        "after": after,
        "question": parameters.question(),
        "allow_missing": parameters.choice("allow_missing", ALLOW_MISSING) == "true",
    }


def _page(finder: Finder, reader: Scope, parameters: Parameters) -> bytes:
    page = finder.page(reader, query_from(parameters.filters(), now=now_us()), **_paging(parameters))
    return encode(
        EventPage(
            data=[event_response(stored) for stored in page.data],
            total=page.total,
            total_relation=page.total_relation,
            next_cursor=page.next_cursor,
            partial=page.partial or bool(page.missing),
            searchable_through=page.searchable_through,
            retention_start=rfc3339(page.retention_start),
            missing=index_pairs(page.missing),
            lost=index_pairs(page.lost),
        )
    )
