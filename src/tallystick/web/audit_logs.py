"""The Audit Logs page, and its list of events as a fragment for htmx."""

from litestar import Response, get

from tallystick.web.dependencies import (
    DatabaseDep,
    FinderDep,
    FrameDep,
    PoolsDep,
    SessionDep,
    SettingsDep,
    UserScopeDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.event_list import EventList, count_events, load_event_list
from tallystick.web.filters import PATH, Filters, read_filters
from tallystick.web.first_run import first_run_index
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.templating import html


@get(PATH, name="web.audit_logs", opt=EVERY_ROLE)
async def show_audit_logs(
    request: WebRequest,
    session: SessionDep,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    finder: FinderDep,
    settings: SettingsDep,
    viewer: ViewerDep,
) -> Response[str]:
    """The whole page; before the first event, instructions for sending one."""
    filters = filters_of(request)
    if not request.query_params:
        through = await pools.searches.run(user_scope, first_run_index, database, finder, user_scope)
        if through is not None:
            url, slug = settings.public_url, session.slug
            return html("first_run.html", frame=frame, url=url, slug=slug, through=through)

    def load() -> tuple[EventList, Response[str]]:
        listing = load_event_list(user_scope, finder, filters, request.query_params.get("cursor"))
        return listing, html("audit_logs.html", frame=frame, listing=listing, filters=filters, panel=None, open_id="")

    # A page of a thousand rows takes long to write: not on the event loop, where all requests wait for it.
    listing, page = await pools.searches.run(user_scope, load)
    viewer.note_list(filters, found=listing.count)
    return page


@get(f"{PATH}/rows", name="web.audit_logs.rows", opt=EVERY_ROLE)
async def show_rows(
    request: WebRequest, user_scope: UserScopeDep, pools: PoolsDep, finder: FinderDep, viewer: ViewerDep
) -> Response[str]:
    """The list of events as a fragment; with a cursor, only the rows that follow."""
    filters = filters_of(request)
    cursor = request.query_params.get("cursor")

    def load() -> tuple[EventList, Response[str]]:
        listing = load_event_list(user_scope, finder, filters, cursor, rows_first=True)
        return listing, _rows(request, filters, listing)

    listing, page = await pools.searches.run(user_scope, load)
    viewer.note_list(filters, found=listing.count)
    return page


def _rows(request: WebRequest, filters: Filters, listing: EventList) -> Response[str]:
    if request.query_params.get("cursor") is not None:
        return html("older_rows.html", listing=listing, filters=filters, open_id="")
    if listing.error is not None:  # the shown list stays until the search is valid
        headers = {"HX-Reswap": "none"}
        return html("mistake.html", headers=headers, listing=listing, filters=filters, fragment=True)
    open_id = request.query_params.get("open", "")
    headers = _history(request, filters.href(f"{PATH}/{open_id}" if open_id else PATH))
    return html("results.html", headers=headers, listing=listing, filters=filters, open_id=open_id, fragment=True)


@get(f"{PATH}/count", name="web.audit_logs.count", opt=EVERY_ROLE)
async def show_count(
    request: WebRequest, user_scope: UserScopeDep, pools: PoolsDep, finder: FinderDep, viewer: ViewerDep
) -> Response[str]:
    """The number of events of the list, which is counted after the rows are shown."""
    listing = await pools.searches.run(user_scope, count_events, user_scope, finder, filters_of(request))
    viewer.note_list(filters_of(request), found=listing.count, is_supplement=True)
    return html("count_words.html", listing=listing)


def filters_of(request: WebRequest) -> Filters:
    """The filters in the URL of a request."""
    return read_filters(request.query_params.multi_items())


def _history(request: WebRequest, url: str) -> dict[str, str]:
    """The htmx header that updates the page's URL: a chosen filter adds a history entry, typing replaces it."""
    name = "HX-Push-Url" if request.query_params.get("history") == "push" else "HX-Replace-Url"
    return {name: url}
