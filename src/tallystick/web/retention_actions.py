"""The forms of the Retention page: retention, mail to owners, legal holds and erasures."""

import time

import anyio
from litestar import Response, post
from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.access.audit import Caller
from tallystick.access.decisions import show_decision
from tallystick.data_access.setting import set_view_recording
from tallystick.erasure import request as erasures
from tallystick.erasure.request import Erasure
from tallystick.erasure.subject import Subject
from tallystick.errors import BadRequest, Conflict, Forbidden
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.decide import KINDS, cancel_request, confirm_request
from tallystick.retention.warning import set_warning_off
from tallystick.web.dependencies import EraserDep
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import ADMINS, OWNERS
from tallystick.web.retention_page import CHANGE, HOLD, PATH, RetentionForms, RetentionPageDep, plan_and_days
from tallystick.web.templating import redirect

WAIT_SECONDS = 3.0  # how long the page waits for the preview of an erasure
POLL_SECONDS = 0.05
ERASURE = "erasure"


@post(PATH, name="web.retention.change", opt=OWNERS)
async def change_retention(form_request: FormRequestDep, retention_page: RetentionPageDep) -> Response[str]:
    """Changes the plan or the number of days."""
    typed = form_request.texts("plan", "days")

    def change(connection: Connection, scope: Scope, *, now: int, caller: Caller) -> None:
        days, plan = plan_and_days(typed)
        organizations.set_retention(connection, scope, days, plan=plan, now=now, caller=caller)

    try:
        await form_request.write(change, **form_request.context)
    except (BadRequest, Conflict, Forbidden) as problem:
        return await retention_page.show(RetentionForms("", typed, {CHANGE: problem.detail}), status=problem.status)
    return redirect(PATH)


@post(PATH + "/mail", name="web.retention.mail", opt=ADMINS)
async def switch_mail(form_request: FormRequestDep) -> Response[str]:
    """Switches the mail to owners about expiring events on or off."""
    await form_request.write(set_warning_off, form_request.text("mail") == "off", **form_request.context)
    return redirect(PATH)


@post(PATH + "/views", name="web.retention.views", opt=OWNERS)
async def change_view_recording(form_request: FormRequestDep) -> Response[str]:
    """Changes how much of what people look at is recorded."""
    await form_request.write(set_view_recording, form_request.text("views"), **form_request.context)
    return redirect(f"{PATH}#views")


@post(PATH + "/holds", name="web.retention.hold", opt=ADMINS)
async def place_hold(form_request: FormRequestDep, retention_page: RetentionPageDep) -> Response[str]:
    """Places a legal hold."""
    typed = form_request.texts("name", "query", "start", "end")
    try:
        await form_request.write(holds.place, **typed, **form_request.context)
    except (BadRequest, Conflict) as problem:
        return await retention_page.show(RetentionForms("", typed, {HOLD: problem.detail}), status=problem.status)
    return redirect(f"{PATH}#holds")


@post(PATH + "/holds/{hold_id:str}/release", name="web.retention.release", opt=ADMINS)
async def release_hold(hold_id: str, form_request: FormRequestDep, retention_page: RetentionPageDep) -> Response[str]:
    """Releases a legal hold, so that its expired events are deleted, or asks a second person to confirm that."""
    try:
        await form_request.write(holds.release, hold_id, **form_request.context)
    except Conflict as problem:
        return await retention_page.show(RetentionForms("", {}, {HOLD: problem.detail}), status=problem.status)
    return redirect(f"{PATH}#holds")


@post(PATH + "/requests/{request_id:str}/{decision:str}", name="web.retention.request", opt=ADMINS)
async def decide_request(
    request_id: str, decision: str, form_request: FormRequestDep, retention_page: RetentionPageDep
) -> Response[str]:
    """Confirms a requested retention or release, as a second person, or cancels it."""
    decide = {"confirm": confirm_request, "cancel": cancel_request}.get(decision)
    if decide is None:
        raise BadRequest("Confirm or cancel the request.", code="bad_request")
    kind = (await form_request.read(show_decision, request_id, *KINDS)).kind
    try:
        await form_request.write(decide, request_id, **form_request.context)
    except (Conflict, Forbidden) as problem:
        form = HOLD if kind == holds.RELEASE.name else CHANGE
        return await retention_page.show(RetentionForms("", {}, {form: problem.detail}), status=problem.status)
    return redirect(f"{PATH}#holds" if kind == holds.RELEASE.name else PATH)


@post(PATH + "/erasures", name="web.retention.erase", opt=ADMINS)
async def request_erasure(
    form_request: FormRequestDep, retention_page: RetentionPageDep, eraser: EraserDep
) -> Response[str]:
    """Requests an erasure and waits briefly for its preview. Nothing is erased until it is confirmed."""
    typed = form_request.texts("email", "id", "also", "reason")
    also = tuple(line.strip() for line in typed["also"].splitlines() if line.strip())
    try:
        erasure = await form_request.write(
            erasures.request_erasure,
            Subject(typed["email"], typed["id"], also),
            typed["reason"],
            **form_request.context,
        )
    except (BadRequest, Conflict) as problem:
        return await retention_page.show(RetentionForms("", typed, {ERASURE: problem.detail}), status=problem.status)
    eraser.wake()
    ends = time.monotonic() + WAIT_SECONDS

    def look() -> Erasure:
        with form_request.database.write() as connection:
            return erasures.show(connection, form_request.scope, erasure.public_id)

    while erasure.state == "looking" and time.monotonic() < ends:
        await anyio.sleep(POLL_SECONDS)
        erasure = await form_request.database.run(look)
    return redirect(f"{PATH}#erasures")


@post(PATH + "/erasures/{erasure_id:str}/{decision:str}", name="web.retention.decide", opt=ADMINS)
async def decide_erasure(
    erasure_id: str, decision: str, form_request: FormRequestDep, retention_page: RetentionPageDep, eraser: EraserDep
) -> Response[str]:
    """Confirms an erasure, as a second person, or cancels it."""
    decide = {"confirm": erasures.confirm, "cancel": erasures.cancel}.get(decision)
    if decide is None:
        raise BadRequest("Confirm or cancel the erasure.", code="bad_erasure")
    try:
        await form_request.write(decide, erasure_id, **form_request.context)
    except (Conflict, Forbidden) as problem:
        return await retention_page.show(RetentionForms("", {}, {ERASURE: problem.detail}), status=problem.status)
    eraser.wake()
    return redirect(f"{PATH}#erasures")
