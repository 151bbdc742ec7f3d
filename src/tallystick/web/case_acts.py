"""What people do with cases: each a form that is posted, believed only from our own pages, and recorded."""

from litestar import Response, post
from sqlalchemy import Connection

from tallystick.access.audit import Caller
from tallystick.cases import changes, evidence
from tallystick.cases.case import LINES
from tallystick.errors import BadRequest, Conflict
from tallystick.query.scope import Scope
from tallystick.web.case_pages import PATH, case_page
from tallystick.web.dependencies import Database, Finder, Frame, Reader, WebRequest
from tallystick.web.form_request import Posted, Posting
from tallystick.web.pages import redirect

ONE = PATH + "/{case_id:str}"


@post(PATH, name="web.cases.make")
async def make_case(posted: Posted, finder: Finder) -> Response[str]:
    """Makes a case of the chosen events, or adds them to the one that was chosen."""
    wanted = posted.all("event")
    title, chosen = posted.text("title"), posted.text("case")
    events = await posted.database.run(evidence.find_events, finder, posted.reader, wanted)

    def make(connection: Connection, scope: Scope, *, now: int, caller: Caller) -> str:
        shown_id = chosen or changes.open_case(connection, scope, title, now=now, caller=caller).shown_id
        evidence.add_events(connection, scope, shown_id, events, now=now, caller=caller)
        return shown_id

    return _back(posted, await posted.do(make))


@post(ONE, name="web.case.write")
async def write_case(
    request: WebRequest,
    case_id: str,
    posted: Posted,
    reader: Reader,
    frame: Frame,
    database: Database,
    finder: Finder,
) -> Response[str]:
    """Saves title and lines. What cannot be saved, or was changed by somebody else meanwhile, stays in the form."""
    words = {name: changes.written(posted.text(name)) for name in (*LINES, "title") if name in posted.form}
    version = posted.text("version")
    if not (version.isascii() and version.isdigit()):
        raise BadRequest("The form names no version. Open the case again.", code="bad_case", field="version")
    try:
        await posted.do(changes.write_lines, case_id, int(version[:9]), words)
    except (BadRequest, Conflict) as problem:
        return await case_page(
            request, case_id, reader, frame, database, finder,
            problem=problem.detail, typed=words, status=problem.status,
        )  # fmt: skip
    return _back(posted, case_id)


@post(ONE + "/state", name="web.case.state")
async def set_state(case_id: str, posted: Posted) -> Response[str]:
    """Closes the case or opens it again."""
    await posted.do(changes.set_closed, case_id, posted.text("closed") == "yes")
    return _back(posted, case_id)


@post(ONE + "/events/{event_id:str}", name="web.case.note")
async def write_note(case_id: str, event_id: str, posted: Posted) -> Response[str]:
    """Writes the note beside an event."""
    await posted.do(evidence.write_note, case_id, event_id, posted.text("note"))
    return _back(posted, case_id, place=f"#{event_id}")


@post(ONE + "/events/{event_id:str}/remove", name="web.case.remove_event")
async def remove_event(case_id: str, event_id: str, posted: Posted) -> Response[str]:
    """Lets an event belong to the case no longer."""
    await posted.do(evidence.remove_event, case_id, event_id)
    return _back(posted, case_id)


def _back(posted: Posting, case_id: str, place: str = "") -> Response[str]:
    """To the case, in the zone it was read in."""
    zone = posted.text("tz")
    plain = zone.replace("/", "").replace("_", "").replace("-", "").replace("+", "").isalnum() and zone.isascii()
    asked = f"?tz={zone.replace('+', '%2B')}" if plain else ""
    return redirect(f"{PATH}/{case_id}{asked}{place}")
