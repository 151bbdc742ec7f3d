"""Counting what the filters find: over time, and by value."""

from functools import partial
from typing import Any

from litestar import Request, Response, get

from tallystick.api.answers import answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.clock import now_us
from tallystick.events.catalogue import CATALOGUE, category_of, severity_of, status_of
from tallystick.query.conditions import Query
from tallystick.search.counts import MOST_BUCKETS, MOST_VALUES
from tallystick.search.filters import NAMES, query_from
from tallystick.store.reading import VALUES

HISTOGRAM_PARAMETERS = frozenset({*NAMES, "buckets"})
FACET_PARAMETERS = frozenset({*NAMES, "field", "limit"})
DEFAULT_BUCKETS = 60
DEFAULT_VALUES = 20


@get("/v1/audit-logs/histogram", name="api.show_histogram")
async def show_histogram(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Counts over time by status."""
    reader = await authorize_scope(request, services, "events:read")
    parameters = Parameters.of(request, HISTOGRAM_PARAMETERS)
    buckets = parameters.whole("buckets", 1, MOST_BUCKETS) or DEFAULT_BUCKETS
    query = query_from(parameters.filters(), now=now_us())
    return answer(await services.database.run(partial(services.finder.histogram, reader, query, buckets=buckets)))


@get("/v1/audit-logs/facets", name="api.show_facets")
async def show_facets(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The values of one field that occur most."""
    reader = await authorize_scope(request, services, "events:read")
    parameters = Parameters.of(request, FACET_PARAMETERS)
    if "field" not in parameters:
        raise bad_parameter("field", f"Say of which field: field is one of {', '.join(VALUES)}.")
    field = parameters.choice("field", tuple(VALUES))
    limit = parameters.whole("limit", 1, MOST_VALUES) or DEFAULT_VALUES
    query = query_from(parameters.filters(), now=now_us())
    return answer(await services.database.run(partial(services.finder.facets, reader, query, field, limit=limit)))


@get("/v1/actions", name="api.list_actions")
async def list_actions(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Every action by name, with how many events of it the reader may see.

    `partial` when counting took too long, or more actions occur than are counted.
    """
    reader = await authorize_scope(request, services, "events:read")
    Parameters.of(request, ())
    counted = await services.database.run(partial(services.finder.facets, reader, Query(), "action", limit=MOST_VALUES))
    events = {value["value"]: value["count"] for value in counted["values"]}
    data = [
        {
            "action": action,
            "known": action in CATALOGUE,
            "category": category_of(action),
            "status": status_of(action),
            "severity": severity_of(action),
            "events": events.get(action, 0),
        }
        for action in sorted(CATALOGUE.keys() | events.keys())
    ]
    return answer({"data": data, "partial": counted["partial"] or len(events) >= MOST_VALUES})
