"""Counting events: over time, and by value of a field."""

from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from msgspec import UNSET, Meta

from tallystick.api.answers import answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, MissingRanges, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.api.query_parameters import DEFAULT_BUCKETS, DEFAULT_VALUES, FACETS, HISTOGRAM
from tallystick.clock import now_us
from tallystick.search.counts import MOST_BUCKETS, MOST_VALUES
from tallystick.search.filters import query_from, zone_from
from tallystick.store.value_counts import FIELDS

Partial = Annotated[bool, doc("The time limit was reached before all events were counted, or events are `missing`.")]
_operation = partial(operation, "Searching", "events:read", serves_filtered=True)


class HistogramBucket(ResponseBody):
    """The counts of one interval."""

    start: Time
    end: Time
    success: Count
    failed: Count


class HistogramResponse(ResponseBody):
    """Counts over time by status; empty intervals are included."""

    start: Time
    end: Time
    interval_seconds: Annotated[int, Meta(description="Length of an interval; of months and years, about.", ge=1)]
    buckets: list[HistogramBucket]
    partial: Partial
    missing: MissingRanges = UNSET


class FacetValue(ResponseBody):
    """A value of a field, and how many events the filter on it finds."""

    value: Annotated[str, doc("The most frequent spelling of the value.")]
    count: Count


class FacetsResponse(ResponseBody):
    """The most frequent values of a field."""

    field: Annotated[str, doc("The field.", enum=list(FIELDS))]
    values: Annotated[list[FacetValue], doc("Most frequent first.")]
    overlapping: Annotated[
        bool,
        doc(
            "An event can have several of these values and counts for each, so that the counts can add up to more than "
            "the events."
        ),
    ]
    partial: Partial
    missing: MissingRanges = UNSET


@get("/v1/audit-logs/histogram", opt=_operation(parameters=HISTOGRAM))
async def show_histogram(request: Request[Any, Any, Any], services: ApiServices) -> Response[HistogramResponse]:
    """Count events over time.

    The number of events that the filters find in each interval, by status. Intervals begin at full hours, midnights,
    Mondays, months or years of the zone `tz`, so that where the clocks change, one is longer or shorter.
    """
    reader = await authorize_scope(request, services)
    parameters = Parameters.of(request)
    buckets = parameters.integer("buckets", 1, MOST_BUCKETS) or DEFAULT_BUCKETS

    def count() -> dict[str, Any]:
        filters = parameters.filters()
        query = query_from(filters, now=now_us())
        return _marked(services.finder.histogram(reader, query, buckets=buckets, zone=zone_from(filters)))

    return answer(msgspec.convert(await services.pools.searches.run(reader, count), HistogramResponse))


@get("/v1/audit-logs/facets", opt=_operation(parameters=FACETS))
async def show_facets(request: Request[Any, Any, Any], services: ApiServices) -> Response[FacetsResponse]:
    """Count events by value of a field.

    The values that most of the events have that the filters find. Values are compared as filters compare them: ignoring
    case, IP addresses as numbers. So each count is that of the filter for the value.
    """
    reader = await authorize_scope(request, services)
    parameters = Parameters.of(request)
    if "field" not in parameters:
        raise bad_parameter("field", f"field is required: one of {', '.join(FIELDS)}.")
    field = parameters.choice("field", tuple(FIELDS))
    limit = parameters.integer("limit", 1, MOST_VALUES) or DEFAULT_VALUES

    def count() -> dict[str, Any]:
        query = query_from(parameters.filters(), now=now_us())
        return _marked(services.finder.facets(reader, query, field, limit=limit))

    return answer(msgspec.convert(await services.pools.searches.run(reader, count), FacetsResponse))


def _marked(counted: dict[str, Any]) -> dict[str, Any]:
    """Counts are partial also where events are missing."""
    return counted | {"partial": counted["partial"] or "missing" in counted}
