"""The page behind the link of an invitation: joins an organization, with a new account or as who is signed in."""

from dataclasses import dataclass
from urllib.parse import urlencode

from litestar import Response, get, post

from tallystick.access import csrf, sessions
from tallystick.access.audit import Caller
from tallystick.access.passwords import LEAST_CHARACTERS, HashedPassword
from tallystick.access.secret import Secret
from tallystick.access.sessions import Session, SessionLimits
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, Unauthorized, Unavailable
from tallystick.invitations import acceptance
from tallystick.invitations.acceptance import OpenInvitation
from tallystick.invitations.invitation import PATH
from tallystick.web.dependencies import (
    AuthenticatorDep,
    DatabaseDep,
    FormReaderDep,
    RecorderDep,
    RequestCallerDep,
    SessionTokenDep,
    SettingsDep,
    SignInDep,
)
from tallystick.web.filters import PATH as FIRST_PAGE
from tallystick.web.sign_in import remember_device, set_session_cookie
from tallystick.web.templating import html, redirect


@dataclass(frozen=True, slots=True)
class JoinPage:
    """An invitation that can be accepted, and who is signed in, if anybody is."""

    token: str
    found: OpenInvitation
    session: Session | None
    session_token: str

    @property
    def email(self) -> str:
        """The address that the invitation is for."""
        return self.found.invitation.email

    @property
    def is_own(self) -> bool:
        """Whether the invitation is for whoever is signed in."""
        return self.session is not None and self.session.scope.principal.email == self.email

    def show(self, *, name: str = "", problem: str = "", status: int = 200) -> Response[str]:
        """The rendered page."""
        return html(
            "join.html",
            status=status,
            organization=self.found.organization,
            role=self.found.invitation.role,
            inviter=self.found.invitation.invited_by_name,
            email=self.email,
            signed_in=self.session.scope.principal.email if self.session is not None else "",
            is_own=self.is_own,
            form_token=csrf.form_token(self.session_token) if self.session is not None else "",
            sign_in=f"/sign-in?{urlencode({'next': f'{PATH}/{self.token}'})}",
            name=name,
            problem=problem,
            shortest=LEAST_CHARACTERS,
        )


@get(PATH + "/{token:str}", name="web.join")
async def show_join_page(
    token: str, session_token: SessionTokenDep, database: DatabaseDep, authenticator: AuthenticatorDep
) -> Response[str]:
    """The invitation, and how to join; 404 if the link was used or has ended. Opening it uses nothing up."""
    return (await database.run(_load, database, token, session_token, authenticator.limits)).show()


@post(PATH + "/{token:str}", name="web.join.post")
async def join(
    token: str,
    form_reader: FormReaderDep,
    session_token: SessionTokenDep,
    request_caller: RequestCallerDep,
    settings: SettingsDep,
    database: DatabaseDep,
    authenticator: AuthenticatorDep,
    sign_in: SignInDep,
    recorder: RecorderDep,
) -> Response[str]:
    """Joins as who is signed in, or makes the account of the invited address and signs it in."""
    page = await database.run(_load, database, token, session_token, authenticator.limits)
    form = await form_reader()
    name = str(form.get("name", "")).strip()
    try:
        if page.session is not None:
            csrf.check_form_token(session_token, str(form.get("form_token", "")))
            cookie = await database.run(_join_as, database, page, request_caller)
            recorder.own_actions_waiting()
            return set_session_cookie(redirect(FIRST_PAGE), cookie, settings)
        password = await sign_in.hashed(str(form.get("password", "")))
        cookie = await database.run(_join_as_new, database, token, name, password, request_caller)
    except (BadRequest, Conflict, Unavailable) as problem:
        return page.show(name=name, problem=problem.detail, status=problem.status)
    recorder.own_actions_waiting()
    return remember_device(set_session_cookie(redirect(FIRST_PAGE), cookie, settings), page.email, settings)


def _load(database: Database, token: str, session_token: str, limits: SessionLimits) -> JoinPage:
    now = now_us()
    with database.read() as connection:
        found = acceptance.find_open(connection, token, now=now)
        return JoinPage(token, found, sessions.find_by_token(connection, session_token, now, limits), session_token)


def _join_as_new(database: Database, token: str, name: str, password: HashedPassword, caller: Caller) -> Secret:
    with database.write() as connection:
        return acceptance.accept_as_new(connection, token, name, password, now=now_us(), caller=caller)


def _join_as(database: Database, page: JoinPage, caller: Caller) -> Secret:
    """Join as who is signed in; the session goes on in the organization."""
    with database.write() as connection:
        now = now_us()
        if page.session is None:
            raise Unauthorized("The session has ended. Sign in again.", code="no_session")
        acceptance.accept_as(connection, page.token, page.session.user_id, now=now, caller=caller)
        return sessions.switch(connection, page.session_token, page.found.invitation.org_id, now=now, caller=caller)
