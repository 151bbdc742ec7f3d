"""Reset of a forgotten password: the form that asks for a link, the email, and the form behind the link.

Promise: the answer, and the time until it comes, are the same for every address. What is done for an account is done
after the answer was sent.
"""

from functools import partial

from litestar import Response, get, post
from litestar.background_tasks import BackgroundTask

from tallystick.access import password_reset, remembered_device
from tallystick.access.audit import Caller
from tallystick.access.client_address import is_shared_proxy
from tallystick.access.passwords import LEAST_CHARACTERS
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.destinations import email_queue
from tallystick.destinations.email_templates import EmailTemplates
from tallystick.errors import BadRequest, TooMany, Unavailable
from tallystick.http.request import forwarded_for
from tallystick.ingest.recorder import Recorder
from tallystick.settings import Settings
from tallystick.web.dependencies import (
    DatabaseDep,
    FormReaderDep,
    RecorderDep,
    RequestCallerDep,
    SettingsDep,
    SignInDep,
    WebRequest,
)
from tallystick.web.templating import html, redirect

PATH = "/sign-in/reset"
EMAILS = EmailTemplates("tallystick.web")


@get(PATH, name="web.reset")
async def show_reset(settings: SettingsDep) -> Response[str]:
    """The form that asks for a link; without a mail server, what to do instead."""
    return _request_page(settings)


@post(PATH, name="web.reset.request", status_code=200)
async def request_reset(
    request: WebRequest,
    form_reader: FormReaderDep,
    request_caller: RequestCallerDep,
    settings: SettingsDep,
    database: DatabaseDep,
    recorder: RecorderDep,
) -> Response[str]:
    """Sends a link to the address if it has an account; the answer is the same if it has none."""
    if settings.smtp_url is None:
        return _request_page(settings)
    form = await form_reader()
    email = str(form.get("email", "")).strip()
    value = request.cookies.get(remembered_device.cookie_name(settings.public_url), "")
    is_known = bool(value) and remembered_device.read_cookie(settings.secret_keys, value, now_us()) is not None
    is_shared = is_shared_proxy(request_caller.peer, forwarded_for(request), settings.trusted_proxies)

    def count() -> int:
        with database.write() as connection:
            return password_reset.seconds_to_wait(
                connection, request_caller.address, now_us(), is_known=is_known or is_shared
            )

    if wait := await database.run(count):
        raise TooMany("Too many requests for a link. Wait, then try again.", code="too_many_resets", retry_after=wait)
    response = _request_page(settings, sent_to=email)
    work = partial(_send_link, database, recorder, settings, email, request_caller)
    response.background = BackgroundTask(database.run, work)
    return response


@get(PATH + "/{token:str}", name="web.reset.show")
async def show_new_password(token: str, database: DatabaseDep) -> Response[str]:
    """The form that sets a new password; opening the link does not use it."""
    await database.run(_check_link, database, token)
    return _new_password_page()


@post(PATH + "/{token:str}", name="web.reset.use", status_code=303)
async def reset_password(
    token: str,
    form_reader: FormReaderDep,
    request_caller: RequestCallerDep,
    database: DatabaseDep,
    sign_in: SignInDep,
    recorder: RecorderDep,
) -> Response[str]:
    """Sets the new password, and leads to the sign-in page."""
    await database.run(_check_link, database, token)
    form = await form_reader()
    try:
        password = await sign_in.hashed(str(form.get("password", "")))
    except (BadRequest, Unavailable) as problem:
        return _new_password_page(problem.detail, problem.status)

    def use() -> None:
        with database.write() as connection:
            password_reset.use(connection, token, password, now=now_us(), caller=request_caller)

    await database.run(use)
    recorder.own_actions_waiting()
    return redirect("/sign-in?reset=done")


def _send_link(database: Database, recorder: Recorder, settings: Settings, email: str, caller: Caller) -> None:
    now = now_us()
    with database.write() as connection:
        link = password_reset.issue(connection, email, now=now, caller=caller)
        if link is None:
            return
        url = f"{settings.public_url}{PATH}/{link.token}"
        message = EMAILS.render("password_reset", url=url, address=caller.address, host=settings.public_host)
        email_queue.enqueue(connection, link.org_id, link.email, message, now=now)
    recorder.own_actions_waiting()


def _check_link(database: Database, token: str) -> None:
    with database.read() as connection:
        password_reset.check(connection, token, now=now_us())


def _request_page(settings: Settings, sent_to: str = "") -> Response[str]:
    return html("password_reset_request.html", sent_to=sent_to, has_mail=settings.smtp_url is not None)


def _new_password_page(problem: str = "", status: int = 200) -> Response[str]:
    return html("password_reset_new.html", status=status, problem=problem, shortest=LEAST_CHARACTERS)
