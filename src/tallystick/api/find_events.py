"""Finding: GET /v1/audit-logs as a page or as the whole result, and one event by its id."""

from functools import partial
from typing import Any

from litestar import Request, Response, get

from tallystick import ids
from tallystick.api.answers import JSON, answer, encode
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.negotiation import chosen_media
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.api.stream_events import WRITERS, stream_events
from tallystick.clock import now_us, rfc3339
from tallystick.erasure.records import records_of_event
from tallystick.errors import BadRequest, NotFound
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.merkle.remains import parts_of
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.filters import NAMES, query_from
from tallystick.search.find import Finder

PARAMETERS = frozenset({*NAMES, "limit", "offset", "cursor", "order", "after", "count"})
DEFAULT_LIMIT = 50
MOST_LIMIT = 1000
MOST_OFFSET = 1_000_000_000
MOST_INDEX = 10**15
ORDERS = ("desc", "asc", "recorded")
COUNTS = ("estimate", "exact", "none")


@get("/v1/audit-logs", name="api.find_events")
async def find_events(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """A page of what the filters find; with `Accept: text/csv` or `application/x-ndjson` all of it."""
    reader = await authorize_scope(request, services, "events:read")
    media = chosen_media(request, (JSON, *WRITERS))
    parameters = Parameters.of(request, PARAMETERS)
    query = query_from(parameters.filters(), now=now_us())
    if media != JSON:
        return await stream_events(services, reader, query, parameters, media)
    page = partial(_page, services.finder, reader, query, _paging(parameters))
    return answer(await services.database.run(page))


@get("/v1/audit-logs/{id:str}", name="api.show_event")
async def show_event(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """One event, whole, also the moment after it was recorded."""
    reader = await authorize_scope(request, services, "events:read")
    Parameters.of(request, ())
    return answer(await services.database.run(_whole, services, reader, request.path_params["id"]))


def _whole(services: ApiServices, reader: Scope, event_id: str) -> dict[str, Any]:
    stored = event_named(services.finder, reader, event_id)
    event = event_of(stored)
    if stored.remains:
        event["erased_by"] = [
            {
                "id": ids.encode("evt", one.event_id),
                "index": one.index,
                "parts": list(parts_of(one.parts)),
                "reason": one.reason,
            }
            for one in records_of_event(services.database, services.store, reader, stored.index)
        ]
    return event


def event_named(finder: Finder, reader: Scope, event_id: str) -> StoredEvent:
    """The event of that id; NotFound (`no_event`) for none, as for one that the reader may not see. Blocks."""
    try:
        raw = ids.decode("evt", event_id)
    except ValueError:
        raise NotFound(
            f"There is no event {event_id[:60]!r}: an event's id is evt_ and 26 characters.", code="no_event"
        ) from None
    stored = finder.one(reader, raw)
    if stored is None:
        raise NotFound(
            f"There is no event {event_id} in this organization, or it is past its retention.", code="no_event"
        )
    return stored


def _paging(parameters: Parameters) -> dict[str, Any]:
    """The arguments of Finder.page that say which part of the result is wanted."""
    order = parameters.choice("order", ORDERS)
    after = parameters.whole("after", -1, MOST_INDEX)
    offset = parameters.whole("offset", 0, MOST_OFFSET)
    limit = parameters.whole("limit", 1, MOST_LIMIT)
    if after is not None and order != "recorded":
        raise bad_parameter("after", "after goes with order=recorded; in other orders a cursor goes on.")
    if offset and order == "recorded":
        raise bad_parameter("offset", "order=recorded goes on with after=<index> or a cursor, not with an offset.")
    cursor = parameters.one("cursor")
    if cursor == "":
        raise BadRequest(
            "The cursor is empty: leave it out to begin, and end when next_cursor is null.", code="bad_cursor"
        )
    return {
        "limit": DEFAULT_LIMIT if limit is None else limit,
        "offset": offset or 0,
        "cursor": cursor,
        "order": order,
        "count": parameters.choice("count", COUNTS),
        "after": after,
        "question": parameters.question(),
    }


def _page(finder: Finder, reader: Scope, query: Query, paging: dict[str, Any]) -> bytes:
    page = finder.page(reader, query, **paging)
    return encode(
        {
            "data": [event_of(stored) for stored in page.data],
            "total": page.total,
            "total_relation": page.total_relation,
            "next_cursor": page.next_cursor,
            "partial": page.partial,
            "searchable_through": page.searchable_through,
            "retention_start": rfc3339(page.retention_start),
        }
    )
