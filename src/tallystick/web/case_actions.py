"""The forms of the case pages: create, write, close and reopen a case; add, remove and annotate events."""

from litestar import Response, post
from sqlalchemy import Connection

from tallystick.access.audit import Caller
from tallystick.access.names import clean_text
from tallystick.cases import case_events, changes
from tallystick.cases.case import LINES
from tallystick.errors import BadRequest, Conflict
from tallystick.http.forms import LONG_FORM
from tallystick.query.scope import Scope
from tallystick.web.case_pages import PATH, case_page
from tallystick.web.dependencies import DatabaseDep, FinderDep, FrameDep, ViewerDep, WebRequest
from tallystick.web.form_request import FormRequest, FormRequestDep
from tallystick.web.page_access import CASE_WRITERS
from tallystick.web.templating import redirect

ONE = PATH + "/{case_id:str}"


@post(PATH, name="web.cases.make", opt=CASE_WRITERS)
async def make_case(form_request: FormRequestDep, finder: FinderDep) -> Response[str]:
    """Creates a case with the chosen events, or adds them to an existing case."""
    event_ids = form_request.all("event")
    title, case_id = form_request.text("title"), form_request.text("case")
    events = await form_request.pools.searches.run(
        form_request.scope, case_events.find_events, finder, form_request.scope, event_ids
    )

    def make(connection: Connection, scope: Scope, *, now: int, caller: Caller) -> str:
        public_id = case_id or changes.open_case(connection, scope, title, now=now, caller=caller).public_id
        case_events.add_events(connection, scope, public_id, events, now=now, caller=caller)
        return public_id

    return _back(form_request, await form_request.write(make, **form_request.context))


@post(ONE, name="web.case.write", opt={"form_bytes": LONG_FORM} | CASE_WRITERS)
async def write_case(
    request: WebRequest,
    case_id: str,
    form_request: FormRequestDep,
    viewer: ViewerDep,
    frame: FrameDep,
    database: DatabaseDep,
    finder: FinderDep,
) -> Response[str]:
    """Saves title and lines. If they are invalid or somebody else changed the case, the form keeps the typed text."""
    words = {name: clean_text(form_request.text(name)) for name in (*LINES, "title") if name in form_request.form}
    version = form_request.text("version")
    if not (version.isascii() and version.isdigit()):
        raise BadRequest("The form is incomplete. Open the case again.", code="bad_case", field="version")
    try:
        await form_request.write(changes.write_lines, case_id, int(version[:9]), words, **form_request.context)
    except (BadRequest, Conflict) as problem:
        return await case_page(
            request,
            case_id,
            viewer,
            frame,
            database,
            form_request.pools,
            finder,
            problem=problem.detail,
            typed=words,
            status=problem.status,
        )
    return _back(form_request, case_id)


@post(ONE + "/state", name="web.case.state", opt=CASE_WRITERS)
async def set_state(case_id: str, form_request: FormRequestDep) -> Response[str]:
    """Closes or reopens a case."""
    await form_request.write(changes.set_closed, case_id, form_request.text("closed") == "yes", **form_request.context)
    return _back(form_request, case_id)


@post(ONE + "/events/{event_id:str}", name="web.case.note", opt=CASE_WRITERS)
async def write_note(case_id: str, event_id: str, form_request: FormRequestDep) -> Response[str]:
    """Saves the note of an event in a case."""
    await form_request.write(
        case_events.write_note, case_id, event_id, form_request.text("note"), **form_request.context
    )
    return _back(form_request, case_id, anchor=f"#{event_id}")


@post(ONE + "/events/{event_id:str}/remove", name="web.case.remove_event", opt=CASE_WRITERS)
async def remove_event(case_id: str, event_id: str, form_request: FormRequestDep) -> Response[str]:
    """Removes an event from a case."""
    await form_request.write(case_events.remove_event, case_id, event_id, **form_request.context)
    return _back(form_request, case_id)


def _back(form_request: FormRequest, case_id: str, anchor: str = "") -> Response[str]:
    """A redirect to the case, keeping the time zone of the page; `anchor` is an event to scroll to."""
    zone = form_request.text("tz")
    plain = zone.replace("/", "").replace("_", "").replace("-", "").replace("+", "").isalnum() and zone.isascii()
    zone_query = f"?tz={zone.replace('+', '%2B')}" if plain else ""
    return redirect(f"{PATH}/{case_id}{zone_query}{anchor}")
