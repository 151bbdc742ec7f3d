"""One event in the detail panel: into a page that is there, or with the whole page around it under its own URL."""

from litestar import Response, get

from tallystick import ids
from tallystick.errors import NotFound
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Scope
from tallystick.web.audit_logs import filters_of
from tallystick.web.event_view import Panel, panel_of
from tallystick.web.filters import PATH, Filters
from tallystick.web.listing import Listing, load
from tallystick.web.pages import html
from tallystick.web.parts import Database, Finder, Frame, Reader, WebRequest


@get(PATH + "/{event_id:str}", name="web.audit_logs.event")
async def show_event(
    request: WebRequest, event_id: str, reader: Reader, frame: Frame, database: Database, finder: Finder
) -> Response[str]:
    """The panel for htmx, else the list with the panel open. No such event, or another's: 404, both alike."""
    filters = filters_of(request)
    in_page = request.headers.get("hx-target") == "panel"
    stored = await database.run(_find, finder, reader, event_id)
    if stored is None:
        if in_page:
            return html("panel_missing.html", filters=filters)
        raise NotFound("There is no such event in your organization, or it is no longer kept.", code="no_event")
    panel = panel_of(stored, filters.zone)
    if in_page:
        return html("panel.html", panel=panel, filters=filters)
    return await _around(request, frame, database, finder, reader, filters, panel)


async def _around(
    request: WebRequest,
    frame: Frame,
    database: Database,
    finder: Finder,
    reader: Reader,
    filters: Filters,
    panel: Panel,
) -> Response[str]:
    listing: Listing = await database.run(load, reader, finder, filters, request.query_params.get("cursor"))
    return html("audit_logs.html", frame=frame, listing=listing, filters=filters, panel=panel, open_id=panel.row.id)


def _find(finder: Finder, scope: Scope, event_id: str) -> StoredEvent | None:
    try:
        raw = ids.decode("evt", event_id)
    except ValueError:
        return None
    return finder.one(scope, raw)
