"""Members: /v1/members."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from tallystick.access import members
from tallystick.access.audit import Caller
from tallystick.access.members import Member
from tallystick.access.scopes import ROLES
from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import RequestBody, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope

PATH = "/v1/members"
_act = partial(operation, "Members", "admin")

MemberRole = Annotated[str, doc("What the person may do.", enum=list(ROLES))]


class MemberInput(RequestBody):
    """Changes of a member; what is left out stays."""

    role: MemberRole | UnsetType = UNSET
    disabled: Annotated[bool, doc("Whether the member's access to the organization is off.")] | UnsetType = UNSET


class MemberResponse(ResponseBody):
    """A person of the organization."""

    id: Annotated[str, doc("`usr_` and 26 characters.")]
    email: Annotated[str, doc("Email address to sign in with.")]
    name: Annotated[str, doc("Name, or empty.")]
    role: MemberRole
    filter: Annotated[str | None, doc("The member sees only what this search finds; null: all that the role may.")]
    disabled: Annotated[bool, doc("Whether the member cannot use the organization now.")]
    joined_at: Time
    signed_in_at: Annotated[Time | None, doc("The last sign-in to this organization; null: none is known.")]
    sign_in_method: Annotated[str | None, doc("How: `password`, `passkey`, `totp`, `sso` …; null: not known.")]

    @classmethod
    def of(cls, member: Member) -> "MemberResponse":
        """The answer for a member."""
        return cls(
            id=member.public_id,
            email=member.email,
            name=member.name,
            role=member.role,
            filter=None if member.limit is None else member.limit.text,
            disabled=member.is_disabled,
            joined_at=rfc3339(member.joined_at),
            signed_in_at=optional_rfc3339(member.signed_in_at),
            sign_in_method=member.sign_in_method or None,
        )


class MembersResponse(ResponseBody):
    """The members of the organization, by email address."""

    data: list[MemberResponse]


class SignedOutResponse(ResponseBody):
    """How many sessions a sign-out ended."""

    sessions_ended: Annotated[int, doc("Sessions of the member in this organization that were in force.", minimum=0)]


@get(PATH, opt=_act())
async def list_members(request: Request[Any, Any, Any], services: ApiServices) -> Response[MembersResponse]:
    """List members.

    Everybody who belongs to the organization, by email address, also whose access is off.
    """
    authorized = await authorize(request, services)
    return answer(MembersResponse([MemberResponse.of(one) for one in await authorized.read(members.list_members)]))


@get(PATH + "/{id:str}", opt=_act())
async def show_member(request: Request[Any, Any, Any], services: ApiServices) -> Response[MemberResponse]:
    """Get a member."""
    authorized = await authorize(request, services)
    user_id = members.parse_member_id(authorized.id)
    return answer(MemberResponse.of(await authorized.read(members.show_member, user_id)))


@patch(PATH + "/{id:str}", opt=_act(body=MemberInput, problems=(409,)))
async def change_member(request: Request[Any, Any, Any], services: ApiServices) -> Response[MemberResponse]:
    """Change a member.

    The role, or whether the access is off; every server applies it within a second. Only people who are owners make
    and change owners. One owner stays: 409 `last_owner`.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(MemberInput, "change of a member", "bad_member_input")
    if body.role is UNSET and body.disabled is UNSET:
        raise BadRequest("Send `role` or `disabled`.", code="bad_member_input")
    user_id = members.parse_member_id(authorized.id)
    changed = await authorized.write(_change, user_id, body.role, body.disabled, **authorized.context)
    return answer(MemberResponse.of(changed))


@post(PATH + "/{id:str}/sign-out", status_code=200, opt=_act())
async def sign_out_member(request: Request[Any, Any, Any], services: ApiServices) -> Response[SignedOutResponse]:
    """Sign a member out everywhere.

    Ends every session of the member in this organization, within a second. The member can sign in again.
    """
    authorized = await authorize(request, services)
    user_id = members.parse_member_id(authorized.id)
    return answer(SignedOutResponse(await authorized.write(members.sign_out, user_id, **authorized.context)))


@delete(PATH + "/{id:str}", opt=_act(problems=(409,)))
async def remove_member(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Remove a member.

    The person loses access to this organization within a second, with the API keys that end with a leaver; the account
    and the events stay. One owner stays: 409 `last_owner`.
    """
    authorized = await authorize(request, services)
    await authorized.write(members.remove, members.parse_member_id(authorized.id), **authorized.context)


def _change(
    connection: Connection,
    scope: Scope,
    user_id: UUID,
    role: str | UnsetType,
    disabled: bool | UnsetType,
    *,
    now: int,
    caller: Caller,
) -> Member:
    """Both changes in one transaction: either both happen, or none."""
    member = members.show_member(connection, scope, user_id)
    if role is not UNSET:
        member = members.change_role(connection, scope, user_id, role, now=now, caller=caller)
    if disabled is not UNSET:
        member = members.set_disabled(connection, scope, user_id, disabled, now=now, caller=caller)
    return member
