"""What people do with cases: each a form that is posted, believed only from our own pages, and recorded."""

from litestar import Response, post
from sqlalchemy import Connection

from tallystick.access.audit import Caller
from tallystick.access.names import clean_text
from tallystick.cases import case_events, changes
from tallystick.cases.case import LINES
from tallystick.errors import BadRequest, Conflict
from tallystick.query.scope import Scope
from tallystick.web.case_pages import PATH, case_page
from tallystick.web.dependencies import DatabaseDep, FinderDep, FrameDep, UserScopeDep, WebRequest
from tallystick.web.form_request import FormRequest, FormRequestDep
from tallystick.web.templating import redirect

ONE = PATH + "/{case_id:str}"


@post(PATH, name="web.cases.make")
async def make_case(form_request: FormRequestDep, finder: FinderDep) -> Response[str]:
    """Makes a case of the chosen events, or adds them to the one that was chosen."""
    wanted = form_request.all("event")
    title, chosen = form_request.text("title"), form_request.text("case")
    events = await form_request.database.run(case_events.find_events, finder, form_request.scope, wanted)

    def make(connection: Connection, scope: Scope, *, now: int, caller: Caller) -> str:
        shown_id = chosen or changes.open_case(connection, scope, title, now=now, caller=caller).shown_id
        case_events.add_events(connection, scope, shown_id, events, now=now, caller=caller)
        return shown_id

    return _back(form_request, await form_request.write(make, **form_request.context))


@post(ONE, name="web.case.write")
async def write_case(
    request: WebRequest,
    case_id: str,
    form_request: FormRequestDep,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    finder: FinderDep,
) -> Response[str]:
    """Saves title and lines. What cannot be saved, or was changed by somebody else meanwhile, stays in the form."""
    words = {name: clean_text(form_request.text(name)) for name in (*LINES, "title") if name in form_request.form}
    version = form_request.text("version")
    if not (version.isascii() and version.isdigit()):
        raise BadRequest("The form is incomplete. Open the case again.", code="bad_case", field="version")
    try:
        await form_request.write(changes.write_lines, case_id, int(version[:9]), words, **form_request.context)
    except (BadRequest, Conflict) as problem:
        return await case_page(
            request, case_id, user_scope, frame, database, finder,
            problem=problem.detail, typed=words, status=problem.status,
        )  # fmt: skip
    return _back(form_request, case_id)


@post(ONE + "/state", name="web.case.state")
async def set_state(case_id: str, form_request: FormRequestDep) -> Response[str]:
    """Closes the case or opens it again."""
    await form_request.write(changes.set_closed, case_id, form_request.text("closed") == "yes", **form_request.context)
    return _back(form_request, case_id)


@post(ONE + "/events/{event_id:str}", name="web.case.note")
async def write_note(case_id: str, event_id: str, form_request: FormRequestDep) -> Response[str]:
    """Writes the note beside an event."""
    await form_request.write(
        case_events.write_note, case_id, event_id, form_request.text("note"), **form_request.context
    )
    return _back(form_request, case_id, place=f"#{event_id}")


@post(ONE + "/events/{event_id:str}/remove", name="web.case.remove_event")
async def remove_event(case_id: str, event_id: str, form_request: FormRequestDep) -> Response[str]:
    """Lets an event belong to the case no longer."""
    await form_request.write(case_events.remove_event, case_id, event_id, **form_request.context)
    return _back(form_request, case_id)


def _back(form_request: FormRequest, case_id: str, place: str = "") -> Response[str]:
    """To the case, in the zone it was read in."""
    zone = form_request.text("tz")
    plain = zone.replace("/", "").replace("_", "").replace("-", "").replace("+", "").isalnum() and zone.isascii()
    asked = f"?tz={zone.replace('+', '%2B')}" if plain else ""
    return redirect(f"{PATH}/{case_id}{asked}{place}")
