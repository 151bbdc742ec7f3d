"""Sign-in, sign-out, and switching between organizations."""

from uuid import UUID

from litestar import Response, get, post

from tallystick import ids
from tallystick.access import names, organizations, remembered_device, sessions
from tallystick.access.authenticate import Authenticator
from tallystick.access.client_address import is_shared_proxy
from tallystick.access.secret import is_token
from tallystick.access.sessions import SessionLimits
from tallystick.clock import SECOND_US, now_us
from tallystick.database.engine import Database
from tallystick.errors import NotFound, TooMany, Unauthorized, Unavailable
from tallystick.http.request import forwarded_for
from tallystick.invitations.invitation import PATH as JOIN
from tallystick.settings import Settings
from tallystick.web.dependencies import (
    AuthenticatorDep,
    DatabaseDep,
    FormDep,
    FormReaderDep,
    RecorderDep,
    RequestCallerDep,
    SessionTokenDep,
    SettingsDep,
    SignInDep,
    WebRequest,
)
from tallystick.web.filters import PATH
from tallystick.web.page_frame import is_own_page
from tallystick.web.templating import html, redirect


@get("/", name="web.home")
async def show_home() -> Response[str]:
    """A redirect to Audit Logs, which redirects to the sign-in page if necessary."""
    return redirect(PATH)


@get("/sign-in", name="web.sign_in")
async def show_sign_in(
    request: WebRequest, session_token: SessionTokenDep, database: DatabaseDep, authenticator: AuthenticatorDep
) -> Response[str]:
    """The sign-in form; a redirect for somebody who is signed in."""
    target = _redirect_target(request.query_params.get("next", ""))
    is_signed_in, is_set_up = await database.run(_sign_in_state, database, authenticator, session_token)
    if is_signed_in:
        return redirect(target)
    is_reset = request.query_params.get("reset") == "done"
    return html("sign_in.html", email="", next=target, problem="", is_set_up=is_set_up, is_reset=is_reset)


@post("/sign-in", name="web.sign_in.post")
async def submit_sign_in(
    request: WebRequest,
    form_reader: FormReaderDep,
    session_token: SessionTokenDep,
    request_caller: RequestCallerDep,
    settings: SettingsDep,
    sign_in: SignInDep,
    recorder: RecorderDep,
) -> Response[str]:
    """Begins a session, or shows the form with the reason for refusal."""
    value = request.cookies.get(remembered_device.cookie_name(settings.public_url), "")
    device = remembered_device.read_cookie(settings.secret_keys, value, now_us()) if value else None
    is_shared = is_shared_proxy(request_caller.peer, forwarded_for(request), settings.trusted_proxies)
    email, target = "", PATH
    try:
        if device is None:
            await sign_in.refuse_closed_address(request_caller, is_shared=is_shared)
        form = await form_reader()
        email, target = str(form.get("email", "")), _redirect_target(str(form.get("next", "")))
        token = await sign_in.sign_in(
            email,
            str(form.get("password", "")),
            caller=request_caller,
            previous=session_token,
            device=device,
            is_shared=is_shared,
        )
    except (Unauthorized, TooMany, Unavailable) as problem:
        headers = {} if isinstance(problem, Unauthorized) else {"Retry-After": str(problem.retry_after)}
        return html(
            "sign_in.html",
            status=problem.status,
            headers=headers,
            email=email,
            next=target,
            problem=problem.detail,
            is_set_up=True,
            is_reset=False,
        )
    finally:
        recorder.own_actions_waiting()
    return remember_device(set_session_cookie(redirect(target), token, settings), email, settings)


@post("/sign-out", name="web.sign_out")
async def sign_out(
    form: FormDep,
    session_token: SessionTokenDep,
    request_caller: RequestCallerDep,
    settings: SettingsDep,
    database: DatabaseDep,
    recorder: RecorderDep,
) -> Response[str]:
    """Ends the session."""
    _ = form  # its token was checked

    def end() -> None:
        with database.write() as connection:
            sessions.end(connection, session_token, now=now_us(), caller=request_caller)

    await database.run(end)
    recorder.own_actions_waiting()
    return set_session_cookie(redirect("/sign-in"), "", settings)


@post("/organization", name="web.organization.switch")
async def switch_organization(
    form: FormDep,
    session_token: SessionTokenDep,
    request_caller: RequestCallerDep,
    settings: SettingsDep,
    database: DatabaseDep,
    recorder: RecorderDep,
) -> Response[str]:
    """Begins a session in another organization of the person; recorded in that organization's trail."""

    def switch() -> str:
        try:
            org_id = UUID(bytes=ids.decode("org", str(form.get("organization", ""))))
        except ValueError:
            raise NotFound("You do not belong to this organization.", code="no_membership") from None
        with database.write() as connection:
            return sessions.switch(connection, session_token, org_id, now=now_us(), caller=request_caller)

    token = await database.run(switch)
    recorder.own_actions_waiting()
    return set_session_cookie(redirect(PATH), token, settings)


def set_session_cookie(response: Response[str], token: str, settings: Settings) -> Response[str]:
    """Sets the session cookie; an empty token deletes it."""
    response.headers["Set-Cookie"] = sessions.set_cookie(token, settings.public_url, SessionLimits.of(settings))
    return response


def remember_device(response: Response[str], email: str, settings: Settings) -> Response[str]:
    """Sets the cookie by which this browser is known at the account's next sign-in."""
    response.set_cookie(
        key=remembered_device.cookie_name(settings.public_url),
        value=remembered_device.new_cookie(settings.secret_keys, names.email(email), now_us()),
        max_age=remembered_device.REMEMBERED_US // SECOND_US,
        httponly=True,
        secure=settings.public_url.startswith("https://"),
        samesite="strict",
    )
    return response


def _sign_in_state(database: Database, authenticator: Authenticator, token: str) -> tuple[bool, bool]:
    """Whether somebody is signed in, and whether any organization exists."""
    with database.read() as connection:
        session = sessions.find_by_token(connection, token, now_us(), authenticator.limits)
        return session is not None, organizations.exists_any(connection)


def _redirect_target(path: str) -> str:
    """The page to open after sign-in: `path` if it is one of our pages or an invitation, else Audit Logs."""
    is_invitation = path.startswith(JOIN + "/") and is_token(path.removeprefix(JOIN + "/"))
    return path if is_own_page(path) or is_invitation else PATH
