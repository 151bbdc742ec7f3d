"""What people do with cases: each a form that is posted, believed only from our own pages, and recorded."""

from collections.abc import Callable
from typing import Any

from litestar import Response, post

from tallystick.access.cross_site import check_form_token
from tallystick.cases import changes, evidence
from tallystick.cases.case import LINES, Case
from tallystick.clock import now_us
from tallystick.errors import BadRequest, Conflict
from tallystick.web.case_pages import PATH, case_page
from tallystick.web.pages import redirect
from tallystick.web.parts import Acting, Database, Finder, Form, Frame, Reader, Recorder, SessionToken, WebRequest

ONE = PATH + "/{case_id:str}"


@post(PATH, name="web.cases.make")
async def make_case(
    form: Form,
    session_token: SessionToken,
    reader: Reader,
    acting: Acting,
    database: Database,
    finder: Finder,
    recorder: Recorder,
) -> Response[str]:
    """Makes a case of the chosen events, or adds them to the one that was chosen."""
    check_form_token(session_token, _text(form, "form_token"))
    wanted = [str(one) for one in form.getall("event", [])]

    def make() -> str:
        events = evidence.find_events(finder, reader, wanted)
        now, shown_id = now_us(), _text(form, "case")
        with database.write() as connection:
            if not shown_id:
                shown_id = changes.open_case(connection, reader, _text(form, "title"), now=now, caller=acting).shown_id
            evidence.add_events(connection, reader, shown_id, events, now=now, caller=acting)
        return shown_id

    shown_id = await database.run(make)
    recorder.own_actions_waiting()
    return redirect(f"{PATH}/{shown_id}{_zone(form)}")


@post(ONE, name="web.case.write")
async def write_case(
    request: WebRequest,
    case_id: str,
    form: Form,
    session_token: SessionToken,
    reader: Reader,
    acting: Acting,
    frame: Frame,
    database: Database,
    finder: Finder,
    recorder: Recorder,
) -> Response[str]:
    """Saves title and lines. What cannot be saved, or was changed by somebody else meanwhile, stays in the form."""
    check_form_token(session_token, _text(form, "form_token"))
    words = {name: changes.written(str(form[name])) for name in (*LINES, "title") if name in form}
    version = _text(form, "version")
    if not (version.isascii() and version.isdigit()):
        raise BadRequest("The form names no version. Open the case again.", code="bad_case", field="version")

    def write() -> Case:
        with database.write() as connection:
            return changes.write_lines(
                connection, reader, case_id, int(version[:9]), words, now=now_us(), caller=acting
            )

    try:
        await database.run(write)
    except (BadRequest, Conflict) as problem:
        return await case_page(
            request, case_id, reader, frame, database, finder,
            problem=problem.detail, typed=words, status=problem.status,
        )  # fmt: skip
    recorder.own_actions_waiting()
    return redirect(f"{PATH}/{case_id}{_zone(form)}")


@post(ONE + "/state", name="web.case.state")
async def set_state(
    case_id: str,
    form: Form,
    session_token: SessionToken,
    reader: Reader,
    acting: Acting,
    database: Database,
    recorder: Recorder,
) -> Response[str]:
    """Closes the case or opens it again."""
    closed = _text(form, "closed") == "yes"
    act = _Act(form, session_token, database, recorder)
    return await act.do(case_id, lambda c, now: changes.set_closed(c, reader, case_id, closed, now=now, caller=acting))


@post(ONE + "/events/{event_id:str}", name="web.case.note")
async def write_note(
    case_id: str,
    event_id: str,
    form: Form,
    session_token: SessionToken,
    reader: Reader,
    acting: Acting,
    database: Database,
    recorder: Recorder,
) -> Response[str]:
    """Writes the note beside an event."""
    note = _text(form, "note")
    act = _Act(form, session_token, database, recorder)
    return await act.do(
        case_id,
        lambda c, now: evidence.write_note(c, reader, case_id, event_id, note, now=now, caller=acting),
        place=f"#{event_id}",
    )


@post(ONE + "/events/{event_id:str}/remove", name="web.case.remove_event")
async def remove_event(
    case_id: str,
    event_id: str,
    form: Form,
    session_token: SessionToken,
    reader: Reader,
    acting: Acting,
    database: Database,
    recorder: Recorder,
) -> Response[str]:
    """Lets an event belong to the case no longer."""
    act = _Act(form, session_token, database, recorder)
    return await act.do(
        case_id, lambda c, now: evidence.remove_event(c, reader, case_id, event_id, now=now, caller=acting)
    )


class _Act:
    """One change in its own transaction, and the way back to the case."""

    def __init__(self, form: Form, session_token: str, database: Database, recorder: Recorder) -> None:
        self._form, self._database, self._recorder = form, database, recorder
        check_form_token(session_token, _text(form, "form_token"))

    async def do(self, case_id: str, change: Callable[[Any, int], Any], place: str = "") -> Response[str]:
        def run() -> None:
            with self._database.write() as connection:
                change(connection, now_us())

        await self._database.run(run)
        self._recorder.own_actions_waiting()
        return redirect(f"{PATH}/{case_id}{_zone(self._form)}{place}")


def _text(form: Form, name: str) -> str:
    return str(form.get(name, ""))


def _zone(form: Form) -> str:
    zone = _text(form, "tz")
    plain = zone.replace("/", "").replace("_", "").replace("-", "").replace("+", "").isalnum() and zone.isascii()
    return f"?tz={zone.replace('+', '%2B')}" if plain else ""
