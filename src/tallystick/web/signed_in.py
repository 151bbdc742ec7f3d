"""Who is signed in: the session behind the cookie, its scope, and what the frame around a page says of it."""

from dataclasses import replace

from tallystick import ids
from tallystick.access import audit, organizations, sessions
from tallystick.access.address import client_address
from tallystick.access.csrf import form_token, refuse_cross_site
from tallystick.access.scopes import require
from tallystick.access.sessions import cookie_name
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope
from tallystick.web.dependencies import (
    Authenticator,
    Caller,
    Database,
    Form,
    Frame,
    Session,
    SessionToken,
    Settings,
    WebRequest,
)
from tallystick.web.page_frame import PageFrame


async def provide_token(request: WebRequest, settings: Settings) -> str:
    """The session cookie's value; "" when there is none."""
    return request.cookies.get(cookie_name(settings.public_url), "")


async def provide_session(session_token: SessionToken, database: Database, authenticator: Authenticator) -> Session:
    """The session in force; Unauthorized, which leads to the sign-in page, when there is none."""
    return await database.run(authenticator.session, session_token)


async def provide_reader(session: Session) -> Scope:
    """What the person may see; Forbidden when that is no events at all."""
    require(session.scope, "events:read")
    return session.scope


async def provide_frame(session: Session, session_token: SessionToken, database: Database) -> Frame:
    """For handlers that give a whole page."""

    def known() -> tuple[str, tuple[tuple[str, str], ...]]:
        with database.read() as connection:
            zone = organizations.of_scope(connection, session.scope).zone
            others = sessions.organizations_beside(connection, session)
            return zone, tuple((ids.encode("org", org_id.bytes), name) for org_id, name in others)

    zone, elsewhere = await database.run(known)
    return PageFrame(
        organization=session.organization,
        person=session.scope.principal.email,
        role=session.scope.role,
        zone=zone,
        form_token=form_token(session_token),
        elsewhere=elsewhere,
    )


async def provide_form(request: WebRequest, settings: Settings) -> Form:
    """What was posted; Forbidden when another site made the browser send it. A POST gets its fields only here."""
    refuse_cross_site(request.method, request.headers, settings.public_url)
    form = await request.form()
    if any("\0" in value for _, value in form.multi_items() if isinstance(value, str)):
        raise BadRequest("No text may hold the character U+0000.", code="bad_form")
    return form


async def provide_caller(request: WebRequest, settings: Settings) -> Caller:
    """Where a request came from, for the actions it causes."""
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getall("x-forwarded-for", []))
    address, peer = client_address(peer, forwarded, settings.trusted_proxies)
    return audit.Caller(address=address, peer=peer, user_agent=request.headers.get("user-agent", ""), source="web")


async def provide_acting(caller: Caller, session: Session) -> Caller:
    """The same for somebody who is signed in: the actions tell the session too."""
    return replace(caller, session=session.shown_id)
