"""Acceptance of an invitation, by whoever has its link."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, select, update

from tallystick import ids
from tallystick.access import members, names, people, sessions
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.current_scope import current_scope
from tallystick.access.members import Member
from tallystick.access.passwords import HashedPassword
from tallystick.access.scopes import require, require_ownership
from tallystick.access.secret import Secret, is_token, token_digest
from tallystick.access.tables import organizations
from tallystick.errors import Conflict, Forbidden, NotFound
from tallystick.invitations.invitation import Invitation, invitation_of_row
from tallystick.invitations.tables import invitations
from tallystick.query.scope import OPERATOR, Principal


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An invitation that can be accepted, and the name and slug of its organization."""

    invitation: Invitation
    organization: str
    slug: str


def find_open(connection: Connection, token: str, *, now: int) -> OpenInvitation:
    """The invitation of a link. NotFound (`bad_invitation`) unless it can be accepted.

    That is, unless it is unknown, used, revoked, replaced or over, or whoever made it could not make it any more.
    """
    row = _row(connection, token)
    if row is None:
        raise _bad_invitation()
    found = invitation_of_row(row)
    if found.state(now) != "open":
        raise _bad_invitation()
    _check_inviter(connection, found, now)
    return OpenInvitation(found, row.organization, row.slug)


def accept_as_new(
    connection: Connection, token: str, name: str, password: HashedPassword, *, now: int, caller: Caller = NOWHERE
) -> Secret:
    """Make the account of the invited address, join, and begin a session; returns the cookie's value.

    Raises NotFound (`bad_invitation`); BadRequest for the name; Conflict (`account_exists`) if the address has an
    account, which then has to be used (`accept_as`). The link stays valid then.
    """
    found = _take(connection, token, now)
    email = found.invitation.email
    if people.find_person(connection, email) is not None:
        raise Conflict(
            "This address has an account already. Sign in with it, then open the link again.", code="account_exists"
        )
    person = people.insert_person(connection, ids.new_uuid(now), email, names.name(name), password, now)
    member = _join(connection, found, person, now, caller)
    return sessions.begin(connection, member.user_id, member_org(found), now=now, caller=caller)


def accept_as(
    connection: Connection, token: str, user_id: UUID, *, now: int, caller: Caller = NOWHERE
) -> OpenInvitation:
    """Join as a person who is signed in.

    Raises NotFound (`bad_invitation`), Conflict (`other_account` if the invitation is for another address,
    `member_exists`).
    """
    found = _take(connection, token, now)
    person = people.find_person(connection, found.invitation.email)
    if person is None or person.user_id != user_id:
        raise Conflict(
            f"This invitation is for {found.invitation.email}. Sign out, then open the link again.",
            code="other_account",
        )
    _join(connection, found, person, now, caller)
    return found


def member_org(found: OpenInvitation) -> UUID:
    """The organization of an invitation."""
    return found.invitation.org_id


def _take(connection: Connection, token: str, now: int) -> OpenInvitation:
    """The invitation, taken by this transaction: of several at once one goes on."""
    row = _row(connection, token)
    if row is None:
        raise _bad_invitation()
    taken = connection.execute(
        update(invitations)
        .where(
            invitations.c.org_id == row.org_id, invitations.c.invitation_id == row.invitation_id,
            invitations.c.token_sha256 == token_digest(token), invitations.c.accepted_at.is_(None),
            invitations.c.revoked_at.is_(None), invitations.c.expires_at > now,
        )
        .values(accepted_at=now)
    )  # fmt: skip
    if not taken.rowcount:
        raise _bad_invitation()
    found = OpenInvitation(invitation_of_row(row), row.organization, row.slug)
    _check_inviter(connection, found.invitation, now)
    return found


def _join(connection: Connection, found: OpenInvitation, person: Row[Any], now: int, caller: Caller) -> Member:
    invitation = found.invitation
    member = members.insert_membership(connection, invitation.org_id, person, invitation.role, now=now)
    record_own(
        connection, invitation.org_id, "user.joined", by=member.principal, caller=caller, now=now,
        on=resource("organization", invitation.org_id, "org", found.organization),
        changes={"role": {"before": None, "after": invitation.role}},
        metadata={"invitation": invitation.public_id, "invited_by": invitation.invited_by_name},
    )  # fmt: skip
    return member


def _row(connection: Connection, token: str) -> Row[Any] | None:
    if not is_token(token):
        return None
    wanted = (
        select(invitations, organizations.c.name.label("organization"), organizations.c.slug)
        .join(organizations, organizations.c.org_id == invitations.c.org_id)
        .where(invitations.c.token_sha256 == token_digest(token))
    )
    return connection.execute(wanted).first()


def _check_inviter(connection: Connection, found: Invitation, now: int) -> None:
    """NotFound (`bad_invitation`) if whoever made the invitation could not make it now: a leaver's end."""
    if found.invited_by == OPERATOR.id:
        return
    kind: Literal["user", "api_key"] = "user" if found.invited_by.startswith("usr_") else "api_key"
    try:
        scope = current_scope(
            connection, found.org_id, Principal(kind, found.invited_by, found.invited_by_name), now=now
        )
        require(scope, "admin")
        if found.role == "owner":
            require_ownership(scope)
    except Forbidden:
        raise _bad_invitation() from None


def _bad_invitation() -> NotFound:
    return NotFound(
        "This invitation was already used, was revoked, or has expired. Ask for a new one.", code="bad_invitation"
    )
