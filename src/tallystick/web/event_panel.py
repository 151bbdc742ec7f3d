"""Shows one event in the detail panel, as a fragment or with the whole page around it."""

from litestar import Response, get

from tallystick import ids
from tallystick.cases.related_events import RelatedEvents, find_related_events
from tallystick.erasure.records import ErasureRecord, records_of_event
from tallystick.errors import NotFound
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Scope
from tallystick.search.find import Finder
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    FinderDep,
    FrameDep,
    PoolsDep,
    SettingsDep,
    StoreDep,
    UserScopeDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.event_list import EventList, load_event_list
from tallystick.web.event_row import event_row
from tallystick.web.filters import PATH, Filters
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.page_frame import PageFrame
from tallystick.web.panel_content import EventPanel, event_panel
from tallystick.web.templating import html
from tallystick.work.request_pools import RequestPools

RELATED = 3  # events before and after


@get(PATH + "/{event_id:str}", name="web.audit_logs.event", opt=EVERY_ROLE)
async def show_event(
    request: WebRequest,
    event_id: str,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    finder: FinderDep,
    settings: SettingsDep,
    store: StoreDep,
    viewer: ViewerDep,
) -> Response[str]:
    """The panel for htmx, else the page with the panel open. 404 if the event does not exist or may not be seen."""
    filters = filters_of(request)
    in_page = request.headers.get("hx-target") == "panel"
    stored = await pools.searches.run(user_scope, find_event, finder, user_scope, event_id)
    if stored is None:
        if in_page:
            return html("panel_missing.html", filters=filters)
        raise event_not_found()
    viewer.note_event(event_id)
    erasures: list[ErasureRecord] = []
    if stored.remains:
        erasures = await pools.searches.run(user_scope, records_of_event, database, store, user_scope, stored.index)
    panel = event_panel(stored, filters, settings.public_url, erasures)
    if in_page:
        return html("panel.html", panel=panel, filters=filters)
    viewer.note_list(filters)
    return await _page_with_panel(request, frame, pools, finder, user_scope, filters, panel)


@get(PATH + "/{event_id:str}/related", name="web.audit_logs.related", opt=EVERY_ROLE)
async def show_related(
    request: WebRequest, event_id: str, user_scope: UserScopeDep, pools: PoolsDep, finder: FinderDep, viewer: ViewerDep
) -> Response[str]:
    """The events around an event, as a short list for its panel."""
    filters = filters_of(request)
    found = await pools.searches.run(user_scope, _related, finder, user_scope, event_id)
    viewer.note_event(event_id, is_supplement=True)
    rows = [(event_row(one.stored, filters.zone), one.relations) for one in found.events]
    return html("related.html", rows=rows, found=found, filters=filters, event_id=event_id)


def find_event(finder: Finder, scope: Scope, event_id: str) -> StoredEvent | None:
    """The event with this id, or None if it does not exist or the scope may not see it. Blocks."""
    try:
        raw = ids.decode("evt", event_id)
    except ValueError:
        return None
    return finder.find_one(scope, raw)


def event_not_found() -> NotFound:
    """The error for an event that does not exist or may not be seen; both look the same."""
    return NotFound("Event not found. It may have expired.", code="no_event")


async def _page_with_panel(
    request: WebRequest,
    frame: PageFrame,
    pools: RequestPools,
    finder: Finder,
    scope: Scope,
    filters: Filters,
    panel: EventPanel,
) -> Response[str]:
    listing: EventList = await pools.searches.run(
        scope, load_event_list, scope, finder, filters, request.query_params.get("cursor")
    )
    return html("audit_logs.html", frame=frame, listing=listing, filters=filters, panel=panel, open_id=panel.row.id)


def _related(finder: Finder, scope: Scope, event_id: str) -> RelatedEvents:
    stored = find_event(finder, scope, event_id)
    if stored is None:
        raise event_not_found()
    return find_related_events(finder, scope, stored, before="24h", after="24h", limit=RELATED)
