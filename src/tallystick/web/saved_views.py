"""Saved views: the menu that lists them, and the forms in it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Response, get, post
from sqlalchemy import Connection

from tallystick.access.cross_site import check_form_token, form_token
from tallystick.clock import now_us
from tallystick.errors import BadRequest, Conflict
from tallystick.query.scope import Scope
from tallystick.saved import searches
from tallystick.web.audit_logs import filters_of
from tallystick.web.filters import PATH, Filters, from_pairs
from tallystick.web.listing import load
from tallystick.web.pages import html, redirect
from tallystick.web.parts import Acting, Database, Finder, Form, Frame, Reader, Recorder, SessionToken, WebRequest

SAVED = f"{PATH}/saved"


@get(SAVED, name="web.audit_logs.saved")
async def list_saved_views(
    request: WebRequest, reader: Reader, database: Database, session_token: SessionToken
) -> Response[str]:
    """The menu: own and shared views, the one that is shown now, and a form that saves it."""
    filters = filters_of(request)

    def read() -> list[searches.SavedView]:
        with database.read() as connection:
            return searches.list_views(connection, reader)

    saved = [(view, _opened(view, filters)) for view in await database.run(read)]
    now_shown = urlencode(filters.lasting().pairs())
    return html(
        "saved_views.html",
        saved=saved,
        shown=now_shown,
        filters=filters,
        may_share=searches.may_share(reader),
        form_token=form_token(session_token),
    )


@post(SAVED, name="web.audit_logs.save", status_code=303)
async def save_view(
    form: Form,
    session_token: SessionToken,
    reader: Reader,
    acting: Acting,
    frame: Frame,
    database: Database,
    finder: Finder,
    recorder: Recorder,
) -> Response[str]:
    """Keeps the list that `query` describes under a name."""
    check_form_token(session_token, str(form.get("form_token", "")))
    shown = _shown(form)
    kept = urlencode(shown.lasting().pairs())
    try:
        await _act(database, recorder, reader, searches.save_view, str(form.get("name", "")), kept, caller=acting)
    except (BadRequest, Conflict) as problem:
        return await _refused(problem, shown, frame, reader, database, finder)
    return redirect(shown.href())


@post(SAVED + "/{view_id:str}", name="web.audit_logs.change_view", status_code=303)
async def change_view(
    form: Form,
    view_id: str,
    session_token: SessionToken,
    reader: Reader,
    acting: Acting,
    frame: Frame,
    database: Database,
    finder: Finder,
    recorder: Recorder,
) -> Response[str]:
    """Renames, shares, stops sharing or deletes a view, as the pressed button says."""
    check_form_token(session_token, str(form.get("form_token", "")))
    name = str(form.get("name", ""))
    acts: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "rename": (searches.rename_view, (view_id, name)),
        "share": (searches.share_view, (view_id, True)),
        "unshare": (searches.share_view, (view_id, False)),
        "delete": (searches.delete_view, (view_id,)),
    }
    wanted = acts.get(str(form.get("act", "")))
    if wanted is None:
        raise BadRequest(f"A view takes {', '.join(acts)}.", code="bad_parameter", parameter="act")
    try:
        await _act(database, recorder, reader, wanted[0], *wanted[1], caller=acting)
    except (BadRequest, Conflict) as problem:
        return await _refused(problem, _shown(form), frame, reader, database, finder)
    return redirect(_shown(form).href())


async def _refused(
    problem: BadRequest | Conflict, shown: Filters, frame: Frame, reader: Reader, database: Database, finder: Finder
) -> Response[str]:
    """The page that the form stood on, with what was wrong."""
    listing = await database.run(load, reader, finder, shown, None)
    return html(
        "audit_logs.html",
        status=problem.status,
        frame=frame,
        listing=listing,
        filters=shown,
        panel=None,
        open_id="",
        problem=problem.detail,
    )


async def _act(
    database: Database, recorder: Recorder, scope: Scope, act: Callable[..., Any], *arguments: Any, caller: Acting
) -> None:
    def run() -> None:
        with database.write() as connection:
            _do(connection)

    def _do(connection: Connection) -> None:
        act(connection, scope, *arguments, now=now_us(), caller=caller)

    await database.run(run)
    recorder.own_actions_waiting()


def _shown(form: Any) -> Filters:
    """The list that was on the page, from the form's own words; nothing else is gone to."""
    return from_pairs(parse_qsl(str(form.get("query", ""))))


def _opened(view: searches.SavedView, filters: Filters) -> str:
    """Where a view leads: what it keeps, in the zone and the length that are chosen now."""
    return from_pairs(parse_qsl(view.query)).shown_like(filters).href()
