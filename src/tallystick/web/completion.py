"""Completes values behind a qualifier in the search box."""

from typing import Any

from litestar import Response, get
from litestar.enums import MediaType

from tallystick.clock import now_us
from tallystick.display_text import display_line
from tallystick.errors import BadRequest
from tallystick.query.case_folding import fold
from tallystick.query.scope import Scope
from tallystick.query.values import literal_pattern
from tallystick.search import find
from tallystick.search.filters import QUALIFIERS, query_from
from tallystick.search.tokens import quoted_pattern
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import FinderDep, PoolsDep, UserScopeDep, ViewerDep, WebRequest
from tallystick.web.filter_links import is_one_line, with_term
from tallystick.web.filters import CHOICES, PATH, Filters
from tallystick.web.page_access import EVERY_ROLE

# Qualifier → the field whose values are counted, of those that are no filter.
OTHER_FIELDS = {
    "for": "on_behalf_of", "recorded_by": "recorded_by", "reason": "status_reason", "original": "original_action",
    "user_agent": "user_agent", "source": "source", "channel": "channel", "account": "account", "region": "region",
    "country": "country", "network": "network", "auth": "auth_method", "credential": "credential_id", "tool": "tool",
    "model": "model", "mode": "mode",
}  # fmt: skip
# Qualifier → the filter of the same meaning, which is also the field whose values are counted.
FIELDS = {qualifier: name for name, qualifier in QUALIFIERS.items()} | OTHER_FIELDS
FIXED_VALUES = {name: tuple(values) for name, values in CHOICES.items()}
MOST = 10


@get(PATH + "/complete/{name:str}", name="web.audit_logs.complete", opt=EVERY_ROLE)
async def complete_value(
    request: WebRequest, name: str, user_scope: UserScopeDep, pools: PoolsDep, finder: FinderDep, viewer: ViewerDep
) -> Response[list[dict[str, Any]]]:
    """Values that contain `typed`, as `[{"text": "user:sarah@acme.com", "count": 4}…]`; `q` is the rest.

    `shown` is there as well if the list must show another text, with unseen characters by their code points.
    """
    if name not in FIELDS:
        raise BadRequest(f"Values can be suggested for {', '.join(FIELDS)}.", code="bad_parameter", parameter="name")
    typed = request.query_params.get("typed", "")[:200].strip().strip('"*')
    values, shown = await pools.searches.run(user_scope, _values, finder, user_scope, filters_of(request), name, typed)
    viewer.note_list(shown, is_supplement=True)
    offers = [_offer(f"{name}:{quoted_pattern(literal_pattern(value))}", count) for value, count in values]
    return Response(offers, media_type=MediaType.JSON)


def _offer(text: str, count: int | None) -> dict[str, Any]:
    shown = display_line(text)
    return {"text": text, "count": count} | ({"shown": shown} if shown != text else {})


def _values(
    finder: find.Finder, scope: Scope, filters: Filters, name: str, typed: str
) -> tuple[list[tuple[str, int | None]], Filters]:
    """Values with their counts, and the filters whose events have them."""
    field = FIELDS[name]
    pattern = f"*{literal_pattern(typed)}*" if typed and field not in ("ip", *FIXED_VALUES) else ""
    if name in OTHER_FIELDS:
        filtered = with_term(filters, f"{name}:{quoted_pattern(pattern or '*')}") or filters
    else:
        filtered = filters.with_values(field, (pattern,) if pattern else ())
    containing = "" if field in FIXED_VALUES else typed
    counts = _counts(finder, scope, filtered, field, containing)
    if not counts:  # values of all events, instead of none
        filters = filters.with_search("")
        counts = _counts(finder, scope, filtered.with_search(""), field, containing)
    fixed = [(value, counts.get(value)) for value in FIXED_VALUES.get(field, ())]
    values = fixed or list(counts.items())
    folded = fold(typed)
    fitting = [pair for pair in values if folded in fold(pair[0]) and is_one_line(pair[0])]
    fitting.sort(key=lambda pair: not fold(pair[0]).startswith(folded))  # prefix matches first
    return fitting[:MOST], filters


def _counts(finder: find.Finder, scope: Scope, filters: Filters, field: str, containing: str) -> dict[str, int]:
    now = now_us()
    try:
        query = query_from(filters.parameters(now), now=now)
    except BadRequest:  # the rest of the search is not valid yet
        return {}
    facets = finder.facets(scope, query, field, limit=MOST, containing=containing)
    return {value["value"]: value["count"] for value in facets["values"]}
