"""Counting events: over time, by value of a field, and by action."""

from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from msgspec import UNSET, Meta

from tallystick.api.answers import answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, MissingRanges, ResponseBody, Time, doc, index_pairs
from tallystick.api.operation import operation
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.api.query_parameters import DEFAULT_BUCKETS, DEFAULT_VALUES, FACETS, HISTOGRAM
from tallystick.clock import now_us
from tallystick.events.catalogue import CATALOGUE, Category, Severity, Status, category_of, severity_of, status_of
from tallystick.query.conditions import Query
from tallystick.search.counts import MOST_BUCKETS, MOST_VALUES
from tallystick.search.filters import query_from
from tallystick.store.reading import VALUES

Partial = Annotated[bool, doc("The time limit was reached before all events were counted, or events are `missing`.")]
_operation = partial(operation, "Searching", "events:read")


class HistogramBucket(ResponseBody):
    """The counts of one interval."""

    start: Time
    success: Count
    failed: Count


class HistogramResponse(ResponseBody):
    """Counts over time by status; empty intervals are included."""

    start: Time
    end: Time
    interval_seconds: Annotated[int, Meta(description="Length of an interval.", ge=1)]
    buckets: list[HistogramBucket]
    partial: Partial
    missing: MissingRanges = UNSET


class FacetValue(ResponseBody):
    """A value of a field, and how many events have it."""

    value: str
    count: Count


class FacetsResponse(ResponseBody):
    """The most frequent values of a field."""

    field: Annotated[str, doc("The field.", enum=list(VALUES))]
    values: Annotated[list[FacetValue], doc("Most frequent first.")]
    partial: Partial
    missing: MissingRanges = UNSET


class ActionResponse(ResponseBody):
    """An action, its defaults, and how many events have it."""

    action: Annotated[str, doc("The action, as `noun.verb`.")]
    known: Annotated[bool, doc("Whether the action is in the catalogue.")]
    category: Annotated[Category, doc("Category of its events, unless they give another.")]
    status: Annotated[Status, doc("Status of its events, unless they give another.")]
    severity: Annotated[Severity, doc("Severity of the action.")]
    events: Annotated[Count, doc("Number of events with this action.")]

    @classmethod
    def of(cls, action: str, events: int) -> "ActionResponse":
        return cls(
            action=action,
            known=action in CATALOGUE,
            category=category_of(action),
            status=status_of(action),
            severity=severity_of(action),
            events=events,
        )


class ActionsResponse(ResponseBody):
    """All actions by name."""

    data: list[ActionResponse]
    partial: Annotated[bool, doc("Not every event or action could be counted.")]
    missing: MissingRanges = UNSET


@get("/v1/audit-logs/histogram", opt=_operation(parameters=HISTOGRAM))
async def show_histogram(request: Request[Any, Any, Any], services: ApiServices) -> Response[HistogramResponse]:
    """Count events over time.

    The number of events that the filters find in each interval, by status.
    """
    reader = await authorize_scope(request, services)
    parameters = Parameters.of(request)
    buckets = parameters.integer("buckets", 1, MOST_BUCKETS) or DEFAULT_BUCKETS

    def count() -> dict[str, Any]:
        query = query_from(parameters.filters(), now=now_us())
        return _marked(services.finder.histogram(reader, query, buckets=buckets))

    return answer(msgspec.convert(await services.pools.searches.run(reader, count), HistogramResponse))


@get("/v1/audit-logs/facets", opt=_operation(parameters=FACETS))
async def show_facets(request: Request[Any, Any, Any], services: ApiServices) -> Response[FacetsResponse]:
    """Count events by value of a field.

    The values that most of the events have that the filters find.
    """
    reader = await authorize_scope(request, services)
    parameters = Parameters.of(request)
    if "field" not in parameters:
        raise bad_parameter("field", f"field is required: one of {', '.join(VALUES)}.")
    field = parameters.choice("field", tuple(VALUES))
    limit = parameters.integer("limit", 1, MOST_VALUES) or DEFAULT_VALUES

    def count() -> dict[str, Any]:
        query = query_from(parameters.filters(), now=now_us())
        return _marked(services.finder.facets(reader, query, field, limit=limit))

    return answer(msgspec.convert(await services.pools.searches.run(reader, count), FacetsResponse))


@get("/v1/actions", opt=_operation())
async def list_actions(request: Request[Any, Any, Any], services: ApiServices) -> Response[ActionsResponse]:
    """List actions.

    The actions of the catalogue and those that were recorded without being in it, by name.
    """
    reader = await authorize_scope(request, services)
    Parameters.of(request)
    counted = await services.pools.searches.run(
        reader, services.finder.facets, reader, Query(), "action", limit=MOST_VALUES
    )
    counted = _marked(counted)
    events = {value["value"]: value["count"] for value in counted["values"]}
    data = [ActionResponse.of(action, events.get(action, 0)) for action in sorted(CATALOGUE.keys() | events.keys())]
    is_partial = counted["partial"] or len(events) >= MOST_VALUES
    return answer(ActionsResponse(data, is_partial, index_pairs(counted.get("missing", ()))))


def _marked(counted: dict[str, Any]) -> dict[str, Any]:
    """Counts are partial also where events are missing."""
    return counted | {"partial": counted["partial"] or "missing" in counted}
