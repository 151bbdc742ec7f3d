"""Events around an event: GET /v1/audit-logs/{id}/related."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get
from msgspec import UNSET

from tallystick.api.answers import encode, encoded_answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.event_schema import EventResponse, event_response
from tallystick.api.fields import EventId, MissingRanges, ResponseBody, SearchableThrough, Time, doc, index_pairs
from tallystick.api.find_events import find_event
from tallystick.api.operation import operation
from tallystick.api.parameters import Parameters
from tallystick.api.query_parameters import DEFAULT_LISTED, RELATED
from tallystick.cases.related_events import MOST_EVENTS, find_related_events
from tallystick.cases.threads import RELATIONS, Relation
from tallystick.clock import rfc3339
from tallystick.query.scope import Scope


class EventThread(ResponseBody):
    """Something that the event may share with others."""

    by: Annotated[Relation, doc("What is shared.")]
    value: Annotated[str, doc("Its value.")]


class RelatedEvent(ResponseBody):
    """An event, and what it shares with the one in the middle."""

    by: list[Relation]
    event: EventResponse


class RelatedResponse(ResponseBody):
    """Events around an event, oldest first."""

    event_id: EventId
    threads: list[EventThread]
    start: Time
    end: Time
    data: list[RelatedEvent]
    more_before: Annotated[bool, doc("There are further events before these.")]
    more_after: Annotated[bool, doc("There are further events after these.")]
    partial: Annotated[bool, doc("The time limit was reached before the whole span was read; events may be missing.")]
    searchable_through: SearchableThrough
    retention_start: Annotated[Time, doc("Older events are no longer kept.")]
    missing: MissingRanges = UNSET


@get(
    "/v1/audit-logs/{id:str}/related",
    opt=operation("Searching", "events:read", serves_filtered=True, parameters=RELATED),
)
async def show_related(request: Request[Any, Any, Any], services: ApiServices) -> Response[RelatedResponse]:
    """Get the events around an event.

    One timeline, oldest first, of events with the same actor, resource, session, IP address or request; the event
    itself is among them. If there are more than `limit` on a side, the nearest are listed.
    """
    reader = await authorize_scope(request, services)
    parameters = Parameters.of(request)
    limit = parameters.integer("limit", 1, MOST_EVENTS)
    options = {
        "by": parameters.multiple("by") or RELATIONS,
        **{name: value for name in ("before", "after") if (value := parameters.single(name)) is not None},
        "limit": DEFAULT_LISTED if limit is None else limit,
    }
    timeline = partial(_timeline, services, reader, request.path_params["id"], options)
    return encoded_answer(await services.pools.searches.run(reader, timeline))


def _timeline(services: ApiServices, reader: Scope, event_id: str, options: dict[str, Any]) -> bytes:
    found = find_related_events(services.finder, reader, find_event(services.finder, reader, event_id), **options)
    return encode(
        RelatedResponse(
            event_id=event_id,
            threads=[EventThread(thread.relation, thread.value) for thread in found.threads],
            start=rfc3339(found.start),
            end=rfc3339(found.end),
            data=[RelatedEvent(list(one.relations), event_response(one.stored)) for one in found.events],
            more_before=found.more_before,
            more_after=found.more_after,
            partial=found.partial or bool(found.missing),
            searchable_through=found.searchable_through,
            retention_start=rfc3339(found.retention_start),
            missing=index_pairs(found.missing),
        )
    )
