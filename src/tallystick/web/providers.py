"""Providers of the session, its scope, the page frame and the posted form, which Litestar injects into handlers."""

from dataclasses import replace
from functools import partial

from litestar.datastructures import FormMultiDict

from tallystick import ids
from tallystick.access import organizations, sessions
from tallystick.access.audit import Caller
from tallystick.access.client_address import client_address
from tallystick.access.csrf import check_form_token, form_token, refuse_cross_site
from tallystick.access.scopes import require
from tallystick.access.sessions import Session, cookie_name
from tallystick.http.forms import read_form
from tallystick.http.request import forwarded_for
from tallystick.journal.missing_ranges import MissingRange, format_missing, read_missing
from tallystick.query.scope import Scope
from tallystick.web.dependencies import (
    AuthenticatorDep,
    BodiesDep,
    CallerDep,
    DataAccessDep,
    DatabaseDep,
    FormReader,
    RequestCallerDep,
    SessionDep,
    SessionTokenDep,
    SettingsDep,
    UserScopeDep,
    WebRequest,
)
from tallystick.web.page_access import require_page_role
from tallystick.web.page_frame import PageFrame
from tallystick.web.viewer import Viewer


async def provide_token(request: WebRequest, settings: SettingsDep) -> str:
    """The value of the session cookie; "" without one. Raises Forbidden for a form that another site submits.

    Every handler that acts for a session gets it through this provider, so none can skip the check.
    """
    refuse_cross_site(request.method, request.headers, settings.public_url)
    return request.cookies.get(cookie_name(settings.public_url), "")


async def provide_session(
    session_token: SessionTokenDep, database: DatabaseDep, authenticator: AuthenticatorDep
) -> Session:
    """The session of the cookie. Raises Unauthorized, which redirects to the sign-in page, if it is not valid."""
    return await database.run(authenticator.session, session_token)


async def provide_user_scope(request: WebRequest, session: SessionDep) -> Scope:
    """The scope of the signed-in person. Raises Forbidden if the page is not for this person's role."""
    require(session.scope, "events:read")
    require_page_role(session.scope, request.route_handler.opt)
    return session.scope


async def provide_viewer(user_scope: UserScopeDep, caller: CallerDep, data_access: DataAccessDep) -> Viewer:
    """Notes for the signed-in person what a page shows."""
    return Viewer(data_access, user_scope, caller)


async def provide_frame(session: SessionDep, session_token: SessionTokenDep, database: DatabaseDep) -> PageFrame:
    """The frame of a whole page: navigation, organization switch and account menu."""

    def load() -> tuple[str, tuple[tuple[str, str], ...], list[MissingRange]]:
        with database.read() as connection:
            zone = organizations.of_scope(connection, session.scope).zone
            others = sessions.organizations_beside(connection, session)
            missing = read_missing(connection, session.scope.org_id)
            return zone, tuple((ids.encode("org", org_id.bytes), name) for org_id, name in others), missing

    zone, other_organizations, missing = await database.run(load)
    return PageFrame(
        organization=session.organization,
        person=session.scope.principal.email,
        role=session.scope.role,
        zone=session.zone or zone,
        appearance=session.appearance,
        form_token=form_token(session_token),
        other_organizations=other_organizations,
        is_filtered=session.scope.is_filtered,
        filter=session.scope.filter,
        missing_events=sum(one.events for one in missing),
        missing_indexes=format_missing([(one.first, one.last) for one in missing], most=5),
    )


async def provide_form(
    request: WebRequest, session_token: SessionTokenDep, session: SessionDep, bodies: BodiesDep
) -> FormMultiDict:
    """The form that a signed-in person posted.

    Raises Unauthorized without a session, before anything of the form is read; Forbidden (`bad_form_token`) unless the
    form's token belongs to the session; what `read_form` raises.
    """
    _ = session
    form = await read_form(request, bodies)
    check_form_token(session_token, str(form.get("form_token", "")))
    return form


async def provide_form_reader(request: WebRequest, settings: SettingsDep, bodies: BodiesDep) -> FormReader:
    """Reads the form of somebody who is not signed in. Raises Forbidden for a cross-site request."""
    refuse_cross_site(request.method, request.headers, settings.public_url)
    return partial(read_form, request, bodies)


async def provide_request_caller(request: WebRequest, settings: SettingsDep) -> Caller:
    """Client address and user agent of the request, for the audit events that it causes."""
    peer = request.client.host if request.client else ""
    forwarded = forwarded_for(request)
    address, peer = client_address(peer, forwarded, settings.trusted_proxies)
    return Caller(address=address, peer=peer, user_agent=request.headers.get("user-agent", ""), source="web")


async def provide_caller(request_caller: RequestCallerDep, session: SessionDep) -> Caller:
    """The caller of a signed-in request: the request's address and user agent, and the session's id."""
    return replace(request_caller, session=session.public_id)
