"""Providers of the session, its scope, the page frame and the posted form, which Litestar injects into handlers."""

import asyncio
from dataclasses import replace
from urllib.parse import parse_qsl

from litestar.datastructures import FormMultiDict

from tallystick import ids
from tallystick.access import organizations, sessions
from tallystick.access.audit import Caller
from tallystick.access.client_address import client_address
from tallystick.access.csrf import form_token, refuse_cross_site
from tallystick.access.scopes import require
from tallystick.access.sessions import Session, cookie_name
from tallystick.errors import BadRequest, TooLarge
from tallystick.query.scope import Scope
from tallystick.web.dependencies import (
    AuthenticatorDep,
    DatabaseDep,
    RequestCallerDep,
    SessionDep,
    SessionTokenDep,
    SettingsDep,
    WebRequest,
)
from tallystick.web.page_frame import PageFrame

MOST_FORM_BYTES = 64 << 10
MOST_FORM_FIELDS = 1000
# A form that takes longer to arrive is given up.
FORM_SECONDS = 30.0


async def provide_token(request: WebRequest, settings: SettingsDep) -> str:
    """The value of the session cookie; "" without one."""
    return request.cookies.get(cookie_name(settings.public_url), "")


async def provide_session(
    session_token: SessionTokenDep, database: DatabaseDep, authenticator: AuthenticatorDep
) -> Session:
    """The session of the cookie. Raises Unauthorized, which redirects to the sign-in page, if it is not valid."""
    return await database.run(authenticator.session, session_token)


async def provide_user_scope(session: SessionDep) -> Scope:
    """The scope of the signed-in person. Raises Forbidden if it may not read events."""
    require(session.scope, "events:read")
    return session.scope


async def provide_frame(session: SessionDep, session_token: SessionTokenDep, database: DatabaseDep) -> PageFrame:
    """The frame of a whole page: navigation, organization switch and account menu."""

    def load() -> tuple[str, tuple[tuple[str, str], ...]]:
        with database.read() as connection:
            zone = organizations.of_scope(connection, session.scope).zone
            others = sessions.organizations_beside(connection, session)
            return zone, tuple((ids.encode("org", org_id.bytes), name) for org_id, name in others)

    zone, other_organizations = await database.run(load)
    return PageFrame(
        organization=session.organization,
        person=session.scope.principal.email,
        role=session.scope.role,
        zone=zone,
        form_token=form_token(session_token),
        other_organizations=other_organizations,
    )


async def provide_form(request: WebRequest, settings: SettingsDep) -> FormMultiDict:
    """The posted form. Raises Forbidden for a cross-site request, BadRequest for a field with U+0000.

    Handlers of POST read the form only through this provider, so none can skip the cross-site check.
    """
    refuse_cross_site(request.method, request.headers, settings.public_url)
    form = await _read_form(request)
    if any("\0" in value for _, value in form.multi_items()):
        raise BadRequest("No text may hold the character U+0000.", code="bad_form")
    return form


async def _read_form(request: WebRequest) -> FormMultiDict:
    """The fields of a URL-encoded body; of any other content type, none.

    Not `request.form()`: Litestar's parser keeps the last thousand bodies as the keys of a cache, passwords included.
    Raises TooLarge (`too_large`), BadRequest (`bad_form`, `disconnected`).
    """
    if request.content_type[0] != "application/x-www-form-urlencoded":
        return FormMultiDict([])
    body = bytearray()
    more = True
    try:
        async with asyncio.timeout(FORM_SECONDS):
            while more:
                message = await request.receive()
                if message["type"] != "http.request":
                    raise BadRequest("The form did not arrive. Send it again.", code="disconnected")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MOST_FORM_BYTES:
                    raise TooLarge(f"A form has at most {MOST_FORM_BYTES >> 10} kB. Shorten its texts.")
    except TimeoutError:
        raise BadRequest("The form took too long to arrive. Send it again.", code="disconnected") from None
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FORM_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest(f"A form has at most {MOST_FORM_FIELDS:,} fields, in UTF-8.", code="bad_form") from None
    return FormMultiDict(fields)


async def provide_request_caller(request: WebRequest, settings: SettingsDep) -> Caller:
    """Client address and user agent of the request, for the audit events that it causes."""
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getall("x-forwarded-for", []))
    address, peer = client_address(peer, forwarded, settings.trusted_proxies)
    return Caller(address=address, peer=peer, user_agent=request.headers.get("user-agent", ""), source="web")


async def provide_caller(request_caller: RequestCallerDep, session: SessionDep) -> Caller:
    """The caller of a signed-in request: the request's address and user agent, and the session's id."""
    return replace(request_caller, session=session.public_id)
