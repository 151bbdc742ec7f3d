"""The Members page: the people of the organization, and whom it invited."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import Any

from litestar import Response, get, post

from tallystick.access import leavers, members
from tallystick.access.members import Member
from tallystick.access.scopes import is_owner
from tallystick.clock import now_us, second_words
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound, TooMany
from tallystick.invitations import invitation
from tallystick.invitations.invitation import Invitation, LinkDelivery
from tallystick.query.scope import Scope
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    DestinationContextDep,
    FrameDep,
    Injected,
    PoolsDep,
    SettingsDep,
    UserScopeDep,
    WebRequest,
)
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import ADMINS, OWNERS
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect
from tallystick.work.request_pools import RequestPools

PATH = "/members"
ROLE_WORDS: Mapping[str, str] = {
    "owner": "everything",
    "admin": "everything except ownership",
    "auditor": "reads and exports",
    "member": "sees own activity",
}
LEAVER_KEYS: Mapping[str, str] = {
    "reading": "Keys that can do more than record events",
    "all": "All keys they made",
    "none": "No keys",
}
SIGN_IN_METHODS: Mapping[str, str] = {
    "password": "Password",
    "passkey": "Passkey",
    "totp": "Password and code",
    "recovery_code": "Password and recovery code",
    "sso": "Single sign-on",
}
# What a form of a member's row does.
_ACTS: Mapping[str, Callable[..., Any]] = {
    "disable": partial(members.set_disabled, disabled=True),
    "enable": partial(members.set_disabled, disabled=False),
    "sign-out": members.sign_out,
    "remove": members.remove,
}


@dataclass(frozen=True, slots=True)
class InviteForm:
    """The state of the form that invites: what was typed, what is wrong, and an invitation that was just sent.

    `link` is that of the invitation, where it has to be handed over.
    """

    email: str = ""
    role: str = "member"
    problem: str = ""
    sent: Invitation | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class MembersPage:
    """Renders the Members page, also after a form."""

    scope: Scope
    frame: PageFrame
    database: Database
    pools: RequestPools
    zone: tzinfo
    delivery: LinkDelivery

    async def show(self, *, problem: str = "", status: int = 200, form: InviteForm | None = None) -> Response[str]:
        """The rendered page, with what is wrong with a submitted form, and the form that invites in this state."""
        found, leaver_keys, invited = await self.pools.short.run(self.scope, _load, self.database, self.scope)
        return html(
            "members.html",
            status=status,
            frame=self.frame.at("members"),
            members=found,
            me=self.scope.principal.id,
            is_owner=is_owner(self.scope),
            roles=ROLE_WORDS,
            methods=SIGN_IN_METHODS,
            leaver_keys=leaver_keys,
            leaver_words=LEAVER_KEYS,
            problem=problem,
            invitations=invited,
            form=form or InviteForm(),
            by_email=self.delivery.by_email,
            now=now_us(),
            at=lambda moment: second_words(moment, self.zone),
        )


MembersPageDep = Injected[MembersPage]


async def provide_members_page(
    request: WebRequest, user_scope: UserScopeDep, frame: FrameDep, database: DatabaseDep, pools: PoolsDep,
    settings: SettingsDep, destination_context: DestinationContextDep,
) -> MembersPage:  # fmt: skip
    """The Members page of this request."""
    delivery = LinkDelivery(settings.public_url, by_email=destination_context.mail_server is not None)
    return MembersPage(user_scope, frame, database, pools, filters_of(request).zone, delivery)


@get(PATH, name="web.members", opt=ADMINS)
async def show_members_page(members_page: MembersPageDep) -> Response[str]:
    """The page."""
    return await members_page.show()


@post(PATH + "/leaver-keys", name="web.members.leaver_keys", status_code=303, opt=OWNERS)
async def set_leaver_keys(form_request: FormRequestDep, members_page: MembersPageDep) -> Response[str]:
    """Chooses which API keys end with the access of whoever made them."""
    try:
        await form_request.write(leavers.set_leaver_keys, form_request.text("leaver_keys"), **form_request.context)
    except BadRequest as problem:
        return await members_page.show(problem=problem.detail, status=problem.status)
    return redirect(PATH)


@post(PATH + "/invitations", name="web.members.invite", status_code=200, opt=ADMINS)
async def invite(form_request: FormRequestDep, members_page: MembersPageDep) -> Response[str]:
    """Invites a person; without a mail server the page that answers is the only one that shows the link."""
    typed = form_request.texts("email", "role")
    try:
        sent, link = await form_request.write(
            invitation.invite, typed["email"], typed["role"], members_page.delivery, **form_request.context
        )
    except (BadRequest, Conflict, Forbidden, TooMany) as problem:
        return await members_page.show(
            form=InviteForm(typed["email"], typed["role"], problem.detail), status=problem.status
        )
    return await members_page.show(form=InviteForm(sent=sent, link=link))


@post(PATH + "/invitations/{invitation_id:str}/{act:str}", name="web.members.invitation", status_code=200, opt=ADMINS)
async def change_invitation(
    invitation_id: str, act: str, form_request: FormRequestDep, members_page: MembersPageDep
) -> Response[str]:
    """Sends an invitation again, with a new link, or revokes it."""
    found = invitation.parse_invitation_id(invitation_id)
    try:
        if act == "resend":
            sent, link = await form_request.write(
                invitation.resend, found, members_page.delivery, **form_request.context
            )
            return await members_page.show(form=InviteForm(sent=sent, link=link))
        if act != "revoke":
            raise NotFound("There is no such change of an invitation.", code="no_page")
        await form_request.write(invitation.revoke, found, **form_request.context)
    except (Conflict, Forbidden, TooMany) as problem:
        return await members_page.show(problem=problem.detail, status=problem.status)
    return redirect(PATH)


@post(PATH + "/{member_id:str}/{act:str}", name="web.members.change", status_code=303, opt=ADMINS)
async def change_member(
    member_id: str, act: str, form_request: FormRequestDep, members_page: MembersPageDep
) -> Response[str]:
    """Changes a member's role, disables, enables or removes the member, or ends the member's sessions."""
    user_id = members.parse_member_id(member_id)
    try:
        if act == "role":
            await form_request.write(members.change_role, user_id, form_request.text("role"), **form_request.context)
        elif act in _ACTS:
            await form_request.write(_ACTS[act], user_id, **form_request.context)
        else:
            raise NotFound("There is no such change of a member.", code="no_page")
    except (BadRequest, Conflict, Forbidden) as problem:
        return await members_page.show(problem=problem.detail, status=problem.status)
    return redirect(PATH)


def _load(database: Database, scope: Scope) -> tuple[list[Member], str, list[Invitation]]:
    with database.read() as connection:
        return (
            members.list_members(connection, scope),
            leavers.read_leaver_keys(connection, scope.org_id),
            invitation.list_invitations(connection, scope, now=now_us()),
        )
