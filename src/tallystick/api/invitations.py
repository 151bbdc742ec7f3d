"""Invitations: /v1/invitations."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, delete, get, post

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import RequestBody, ResponseBody, Time, doc
from tallystick.api.members import MemberRole
from tallystick.api.operation import operation
from tallystick.clock import now_us, optional_rfc3339, rfc3339
from tallystick.invitations import invitation
from tallystick.invitations.invitation import Invitation, LinkDelivery

PATH = "/v1/invitations"
_act = partial(operation, "Members", "admin")
_Link = Annotated[
    str | None,
    doc("Without a mail server the link, to be handed over; it is shown only here. Null: it was sent by email."),
]


class InvitationInput(RequestBody):
    """Whom to invite."""

    email: Annotated[str, doc("Email address of the person.", maxLength=254)]
    role: MemberRole


class InvitationResponse(ResponseBody):
    """An invitation, without its link."""

    id: Annotated[str, doc("`inv_` and 26 characters.")]
    email: Annotated[str, doc("Whom it is for.")]
    role: MemberRole
    state: Annotated[str, doc("Whether it can be accepted.", enum=["open", "accepted", "revoked", "expired"])]
    invited_by: Annotated[str, doc("Who sent it: e-mail address, name of a key, or `operator`.")]
    made_at: Time
    expires_at: Time
    sent_at: Annotated[Time | None, doc("When it was last sent by email; null: the link was handed over.")]

    @classmethod
    def fields_of(cls, found: Invitation, now: int) -> dict[str, Any]:
        """The fields of the answer for an invitation."""
        return {
            "id": found.public_id,
            "email": found.email,
            "role": found.role,
            "state": found.state(now),
            "invited_by": found.invited_by_name,
            "made_at": rfc3339(found.made_at),
            "expires_at": rfc3339(found.expires_at),
            "sent_at": optional_rfc3339(found.sent_at),
        }


class InvitationsResponse(ResponseBody):
    """The invitations of the organization, newest first."""

    data: list[InvitationResponse]


class SentInvitationResponse(InvitationResponse):
    """An invitation whose link was just made."""

    link: _Link


@get(PATH, opt=_act())
async def list_invitations(request: Request[Any, Any, Any], services: ApiServices) -> Response[InvitationsResponse]:
    """List invitations.

    Those that are open, accepted, revoked or expired, newest first; ended ones for 30 days.
    """
    authorized = await authorize(request, services)
    now = now_us()
    found = await authorized.read(invitation.list_invitations, now=now, states=invitation.STATES)
    return answer(InvitationsResponse([InvitationResponse(**InvitationResponse.fields_of(one, now)) for one in found]))


@post(PATH, opt=_act(body=InvitationInput, problems=(409,)))
async def invite(request: Request[Any, Any, Any], services: ApiServices) -> Response[SentInvitationResponse]:
    """Invite a person.

    By email with a link that works once, for three days; without a mail server the link is in this answer. The answer
    does not depend on whether the address has an account. At most 100 invitations are open: 429
    `too_many_invitations`.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(InvitationInput, "invitation", "bad_invitation_input")
    made, link = await authorized.write(
        invitation.invite, body.email, body.role, _delivery(services), **authorized.context
    )
    return answer(_sent(made, link))


@get(PATH + "/{id:str}", opt=_act())
async def show_invitation(request: Request[Any, Any, Any], services: ApiServices) -> Response[InvitationResponse]:
    """Get an invitation."""
    authorized = await authorize(request, services)
    found = await authorized.read(invitation.show_invitation, invitation.parse_invitation_id(authorized.id))
    return answer(InvitationResponse(**InvitationResponse.fields_of(found, now_us())))


@post(PATH + "/{id:str}/resend", status_code=200, opt=_act(problems=(409,)))
async def resend_invitation(request: Request[Any, Any, Any], services: ApiServices) -> Response[SentInvitationResponse]:
    """Send an invitation again.

    With a new link for three days; the earlier link ends. At most once a minute: 429 `too_many_invitations`.
    """
    authorized = await authorize(request, services)
    invitation_id = invitation.parse_invitation_id(authorized.id)
    sent, link = await authorized.write(invitation.resend, invitation_id, _delivery(services), **authorized.context)
    return answer(_sent(sent, link))


@delete(PATH + "/{id:str}", opt=_act(problems=(409,)))
async def revoke_invitation(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Revoke an invitation.

    Its link is refused at once. 409 `invitation_over` if it was accepted.
    """
    authorized = await authorize(request, services)
    invitation_id = invitation.parse_invitation_id(authorized.id)
    await authorized.write(invitation.revoke, invitation_id, **authorized.context)


def _sent(found: Invitation, link: str) -> SentInvitationResponse:
    return SentInvitationResponse(**InvitationResponse.fields_of(found, now_us()), link=link or None)


def _delivery(services: ApiServices) -> LinkDelivery:
    return LinkDelivery(services.settings.public_url, by_email=services.destination_context.mail_server is not None)
