"""What happened around an event: GET /v1/audit-logs/{id}/related."""

from functools import partial
from typing import Any

from litestar import Request, Response, get

from tallystick.api.answers import answer, encode
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.find_events import event_named
from tallystick.api.parameters import Parameters
from tallystick.cases.related_events import MOST_EVENTS, find_related_events
from tallystick.cases.threads import RELATIONS
from tallystick.clock import rfc3339
from tallystick.events.output import event_of
from tallystick.query.scope import Scope

PARAMETERS = ("by", "before", "after", "limit")
DEFAULT_LIMIT = 50


@get("/v1/audit-logs/{id:str}/related", name="api.show_related")
async def show_related(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The timeline around an event: same actor, resource, session, address or request."""
    reader = await authorize_scope(request, services, "events:read")
    parameters = Parameters.of(request, PARAMETERS)
    limit = parameters.whole("limit", 1, MOST_EVENTS)
    options = {
        "by": parameters.several("by") or RELATIONS,
        **{name: value for name in ("before", "after") if (value := parameters.one(name)) is not None},
        "limit": DEFAULT_LIMIT if limit is None else limit,
    }
    return answer(await services.database.run(partial(_timeline, services, reader, request.path_params["id"], options)))


def _timeline(services: ApiServices, reader: Scope, event_id: str, options: dict[str, Any]) -> bytes:
    found = find_related_events(services.finder, reader, event_named(services.finder, reader, event_id), **options)
    return encode(
        {
            "event_id": event_id,
            "threads": [{"by": thread.relation, "value": thread.value} for thread in found.threads],
            "start": rfc3339(found.start),
            "end": rfc3339(found.end),
            "data": [{"by": list(one.relations), "event": event_of(one.stored)} for one in found.events],
            "more_before": found.more_before,
            "more_after": found.more_after,
            "partial": found.partial,
            "searchable_through": found.searchable_through,
            "retention_start": rfc3339(found.retention_start),
        }
    )
