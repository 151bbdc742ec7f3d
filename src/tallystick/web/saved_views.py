"""The menu of saved views and its forms."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlencode

from litestar import Response, get, post

from tallystick.access.csrf import form_token
from tallystick.errors import BadRequest, Conflict
from tallystick.saved import saved_views
from tallystick.search.find import Finder
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    FinderDep,
    FrameDep,
    SessionTokenDep,
    UserScopeDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.event_list import load_event_list
from tallystick.web.filters import PATH, Filters, parse_filters, read_filters
from tallystick.web.form_request import FormRequest, FormRequestDep
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect
from tallystick.web.viewer import Viewer

SAVED = f"{PATH}/saved"


@get(SAVED, name="web.audit_logs.saved", opt=EVERY_ROLE)
async def list_saved_views(
    request: WebRequest, user_scope: UserScopeDep, database: DatabaseDep, session_token: SessionTokenDep
) -> Response[str]:
    """The menu: own and shared views, and a form that saves the current list."""
    filters = filters_of(request)

    def read() -> list[saved_views.SavedView]:
        with database.read() as connection:
            return saved_views.list_views(connection, user_scope)

    saved = [(view, _view_href(view, filters)) for view in await database.run(read)]
    now_shown = urlencode(filters.for_saved_view().pairs())
    return html(
        "saved_views.html",
        saved=saved,
        shown=now_shown,
        filters=filters,
        may_share=saved_views.may_share(user_scope),
        form_token=form_token(session_token),
    )


@post(SAVED, name="web.audit_logs.save", status_code=303, opt=EVERY_ROLE)
async def save_view(
    form_request: FormRequestDep, frame: FrameDep, finder: FinderDep, viewer: ViewerDep
) -> Response[str]:
    """Saves the list that `query` describes under a name."""
    filters = _filters_of_form(form_request)
    query = urlencode(filters.for_saved_view().pairs())
    try:
        await form_request.write(saved_views.save_view, form_request.text("name"), query, **form_request.context)
    except (BadRequest, Conflict) as problem:
        return await _page_with_error(problem, form_request, frame, finder, viewer)
    return redirect(filters.href())


@post(SAVED + "/{view_id:str}", name="web.audit_logs.change_view", status_code=303, opt=EVERY_ROLE)
async def change_view(
    view_id: str, form_request: FormRequestDep, frame: FrameDep, finder: FinderDep, viewer: ViewerDep
) -> Response[str]:
    """Renames, shares, unshares or deletes a view; `act` says which."""
    name, context = form_request.text("name"), form_request.context
    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "rename": lambda: form_request.write(saved_views.rename_view, view_id, name, **context),
        "share": lambda: form_request.write(saved_views.share_view, view_id, True, **context),
        "unshare": lambda: form_request.write(saved_views.share_view, view_id, False, **context),
        "delete": lambda: form_request.write(saved_views.delete_view, view_id, **context),
    }
    act = acts.get(form_request.text("act"))
    if act is None:
        raise BadRequest(f"A view takes {', '.join(acts)}.", code="bad_parameter", parameter="act")
    try:
        await act()
    except (BadRequest, Conflict) as problem:
        return await _page_with_error(problem, form_request, frame, finder, viewer)
    return redirect(_filters_of_form(form_request).href())


async def _page_with_error(
    problem: BadRequest | Conflict, form_request: FormRequest, frame: PageFrame, finder: Finder, viewer: Viewer
) -> Response[str]:
    """The page that the form was on, with the error."""
    filters = _filters_of_form(form_request)
    listing = await form_request.pools.searches.run(
        form_request.scope, load_event_list, form_request.scope, finder, filters, None
    )
    viewer.note_list(filters, found=listing.count)
    return html(
        "audit_logs.html",
        status=problem.status,
        frame=frame,
        listing=listing,
        filters=filters,
        panel=None,
        open_id="",
        problem=problem.detail,
    )


def _filters_of_form(form_request: FormRequest) -> Filters:
    """The filters of the page that the form was on, from its field `query`; redirects go nowhere else."""
    return read_filters(parse_qsl(form_request.text("query")))


def _view_href(view: saved_views.SavedView, filters: Filters) -> str:
    """The URL of a saved view, with the zone and length of the current list."""
    return parse_filters(parse_qsl(view.query)).with_display_of(filters).href()
