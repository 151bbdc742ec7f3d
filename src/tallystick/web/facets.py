"""The most frequent values of a field, each with links to show only or exclude its events."""

from dataclasses import dataclass

from litestar import Response, get

from tallystick.clock import now_us
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope
from tallystick.search import find
from tallystick.search.filters import query_from
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import FinderDep, PoolsDep, UserScopeDep, ViewerDep, WebRequest
from tallystick.web.filter_links import FilterLinks, filter_links
from tallystick.web.filters import LABELS, PATH, Filters, value_label
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.templating import html

FIELDS = ("user", "action", "category", "status", "resource", "ip", "actor_type", "severity", "channel", "tool")
MOST = 10


@dataclass(frozen=True, slots=True)
class FacetRow:
    """A value with the number of events that have it, and its links."""

    words: str
    count: int
    links: FilterLinks


@dataclass(frozen=True, slots=True)
class FacetRows:
    """Values, most frequent first; `is_overlapping` if an event can have several of them."""

    values: list[FacetRow]
    is_partial: bool = False
    is_overlapping: bool = False


@get(PATH + "/facets/{name:str}", name="web.audit_logs.facets", opt=EVERY_ROLE)
async def show_facets(
    request: WebRequest, name: str, user_scope: UserScopeDep, pools: PoolsDep, finder: FinderDep, viewer: ViewerDep
) -> Response[str]:
    """The most frequent values of one field among the filtered events."""
    if name not in FIELDS:
        raise BadRequest(f"Values can be counted for {', '.join(FIELDS)}.", code="bad_parameter", parameter="name")
    filters = filters_of(request)
    found = await pools.searches.run(user_scope, _facet_values, finder, user_scope, filters, name)
    viewer.note_list(filters, is_supplement=True)
    return html(
        "facets.html",
        values=found.values,
        partial=found.is_partial,
        overlapping=found.is_overlapping,
        label=LABELS.get(name, name.capitalize()),
        most=MOST,
    )


def _facet_values(finder: find.Finder, scope: Scope, filters: Filters, name: str) -> FacetRows:
    now = now_us()
    try:
        query = query_from(filters.parameters(now), now=now)
    except BadRequest:  # the search box shows the error
        return FacetRows([])
    facets = finder.facets(scope, query, name, limit=MOST)
    values = [
        FacetRow(value_label(name, entry["value"]), entry["count"], filter_links(filters, PATH, name, entry["value"]))
        for entry in facets["values"]
    ]
    return FacetRows(values, facets["partial"], facets["overlapping"])
