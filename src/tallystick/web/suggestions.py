"""Suggests values for the User and Resource filters: the most frequent ones among the other filters' events."""

from dataclasses import dataclass
from typing import Literal

from litestar import Response, get

from tallystick.clock import now_us
from tallystick.errors import BadRequest
from tallystick.query.case_folding import fold
from tallystick.query.scope import Scope
from tallystick.query.values import literal_pattern
from tallystick.search.filters import query_from
from tallystick.search.find import Finder
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import FinderDep, PoolsDep, UserScopeDep, ViewerDep, WebRequest
from tallystick.web.filter_links import is_one_line
from tallystick.web.filters import PATH, Filters, parse_filters
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.templating import html

MOST = 12
Field = Literal["user", "resource"]
FIELDS: dict[str, Field] = {"user": "user", "resource": "resource"}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value to tick; `count` is None for a chosen value that is not among the most frequent."""

    value: str
    count: int | None
    is_chosen: bool


@get(PATH + "/suggest/{name:str}", name="web.audit_logs.suggest", opt=EVERY_ROLE)
async def suggest_values(
    request: WebRequest, name: str, user_scope: UserScopeDep, pools: PoolsDep, finder: FinderDep, viewer: ViewerDep
) -> Response[str]:
    """Suggested values of `user` or `resource`, narrowed by the text typed in the menu."""
    field = FIELDS.get(name)
    if field is None:
        raise BadRequest("Values can be suggested for user and resource.", code="bad_parameter", parameter="name")
    pairs = request.query_params.multi_items()
    typed = next((value.strip() for key, value in pairs if key == f"{name}_typed"), "")
    chosen = getattr(parse_filters([pair for pair in pairs if pair[0] == name]), name)
    offers = await pools.searches.run(
        user_scope, _suggestions, user_scope, finder, filters_of(request), field, typed, chosen
    )
    viewer.note_list(filters_of(request), is_supplement=True)
    return html("offered.html", offers=offers, name=name, typed=typed)


def _suggestions(
    scope: Scope,
    finder: Finder,
    filters: Filters,
    name: Field,
    typed: str,
    chosen: tuple[str, ...],
) -> list[Suggestion]:
    now = now_us()
    pattern = (f"*{literal_pattern(typed.strip('*'))}*",) if typed else ()
    try:
        others = query_from(filters.with_values(name, pattern).parameters(now), now=now)
        facets = finder.facets(scope, others, name, limit=MOST, containing=typed.strip("*"))["values"]
    except BadRequest:  # an invalid search; the search box shows the error
        facets = []
    offers: dict[str, Suggestion] = {}
    for entry in facets:
        value = entry["value"]
        if value == value.strip() and is_one_line(value):  # blanks around the values of filters are ignored
            offers[fold(literal_pattern(value))] = Suggestion(literal_pattern(value), entry["count"], False)
    ticked = [(value, offers.pop(fold(value), None)) for value in chosen]
    return [Suggestion(value, offer.count if offer else None, True) for value, offer in ticked] + list(offers.values())
