"""Invitations of people to an organization: made, sent again, revoked, and accepted once."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import members, names, organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import Role, parse_role, require, require_ownership
from tallystick.access.secret import Secret, new_token, token_digest
from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.destinations import email_queue
from tallystick.destinations.email_templates import Email, EmailTemplates
from tallystick.errors import Conflict, NotFound, TooMany
from tallystick.invitations.tables import invitations
from tallystick.query.scope import Scope

PREFIX = "inv"
PATH = "/join"
LIFETIME_US = 3 * DAY_US
MOST_OPEN = 100  # of an organization
MOST_LINKS = 300  # of an organization, in a day
AGAIN_US = 60 * SECOND_US  # between two links of one invitation
KEPT_US = 30 * DAY_US  # after an invitation ended
TEMPLATES = EmailTemplates("tallystick.invitations")
InvitationState = Literal["open", "accepted", "revoked", "expired"]
STATES: tuple[InvitationState, ...] = ("open", "accepted", "revoked", "expired")

OPEN: tuple[InvitationState, ...] = ("open",)
WAITING: tuple[InvitationState, ...] = ("open", "expired")


@dataclass(frozen=True, slots=True)
class LinkDelivery:
    """How links to the server at `url` reach people: by email, or, without a mail server, by the inviter's hand."""

    url: str
    by_email: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation without its link. Times are in microseconds; `sent_at` is None where the link was handed over."""

    org_id: UUID
    invitation_id: UUID
    email: str
    role: Role
    invited_by: str
    invited_by_name: str
    made_at: int
    expires_at: int
    sent_at: int | None
    accepted_at: int | None
    revoked_at: int | None

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.invitation_id.bytes)

    def state(self, now: int) -> InvitationState:
        """Whether it can be accepted at `now`, and why not."""
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "open" if self.expires_at > now else "expired"


def list_invitations(
    connection: Connection, scope: Scope, *, now: int, states: Collection[InvitationState] = WAITING
) -> list[Invitation]:
    """The organization's invitations in these states, newest first."""
    require(scope, "admin")
    mine = invitations.c.org_id == scope.org_id
    rows = connection.execute(select(invitations).where(mine).order_by(invitations.c.made_at.desc()))
    return [found for found in map(invitation_of_row, rows) if found.state(now) in states]


def show_invitation(connection: Connection, scope: Scope, invitation_id: UUID) -> Invitation:
    """An invitation of the organization. NotFound (`no_invitation`)."""
    require(scope, "admin")
    return invitation_of_row(_row(connection, scope, invitation_id))


def invite(
    connection: Connection,
    scope: Scope,
    email: str,
    role: str,
    delivery: LinkDelivery,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> tuple[Invitation, str]:
    """Invite a person by address; returns the invitation, and the link where it has to be handed over, else "".

    Nothing here depends on whether the address has an account in another organization. Raises BadRequest for a bad
    address or role, Forbidden, Conflict (`member_exists`, `invitation_exists`), TooMany (`too_many_invitations`).
    """
    require(scope, "admin")
    chosen, address = parse_role(role), names.email(email)
    if chosen == "owner":
        require_ownership(scope)
    organizations.lock_row(connection, scope.org_id)
    if _is_member(connection, scope, address):
        raise Conflict(f"{address} already belongs to this organization.", code="member_exists")
    mine = invitations.c.org_id == scope.org_id
    connection.execute(delete(invitations).where(mine, invitations.c.expires_at <= now - KEPT_US))
    waiting = list_invitations(connection, scope, now=now, states=OPEN)
    if any(one.email == address for one in waiting):
        raise Conflict(
            f"{address} has an open invitation. Send it again, or revoke it first.", code="invitation_exists"
        )
    if len(waiting) >= MOST_OPEN:
        raise TooMany(
            f"{MOST_OPEN} invitations are open. Revoke some first.", code="too_many_invitations", retry_after=3600
        )
    _count_links(connection, scope, now)
    made = Invitation(
        scope.org_id, ids.new_uuid(now), address, chosen, scope.principal.id, scope.principal.label, now,
        now + LIFETIME_US, now if delivery.by_email else None, None, None,
    )  # fmt: skip
    token = new_token()
    connection.execute(
        insert(invitations).values(
            org_id=made.org_id, invitation_id=made.invitation_id, email=address, role=chosen,
            token_sha256=token_digest(token), invited_by=made.invited_by, invited_by_name=made.invited_by_name,
            made_at=now, expires_at=made.expires_at, sent_at=made.sent_at, sends=1,
        )
    )  # fmt: skip
    _record(connection, scope, "user.invited", made, now, caller, {"role": {"before": None, "after": chosen}})
    return made, _deliver(connection, scope, made, token, delivery, now)


def resend(
    connection: Connection,
    scope: Scope,
    invitation_id: UUID,
    delivery: LinkDelivery,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> tuple[Invitation, str]:
    """Make a new link for three days in place of the earlier one, and send it; returns as `invite` does.

    Raises NotFound (`no_invitation`), Conflict (`invitation_over`) if it was accepted or revoked, TooMany.
    """
    before = _lock(connection, scope, invitation_id)
    if before.state(now) not in ("open", "expired"):
        raise Conflict("This invitation was accepted or revoked. Invite the person again.", code="invitation_over")
    last = before.expires_at - LIFETIME_US
    if now - last < AGAIN_US:
        raise TooMany("A link was made a moment ago. Wait a minute.", code="too_many_invitations", retry_after=60)
    _count_links(connection, scope, now)
    token = new_token()
    values = {
        "token_sha256": token_digest(token),
        "expires_at": now + LIFETIME_US,
        "sent_at": now if delivery.by_email else before.sent_at,
        "sends": invitations.c.sends + 1,
        # Whoever sends it answers for it from now on.
        "invited_by": scope.principal.id,
        "invited_by_name": scope.principal.label,
    }
    connection.execute(update(invitations).where(*_is_row(before)).values(values))
    sent = invitation_of_row(_row(connection, scope, invitation_id))
    ends = {"before": rfc3339(before.expires_at), "after": rfc3339(sent.expires_at)}
    _record(connection, scope, "user.invitation_resent", sent, now, caller, {"expires_at": ends})
    return sent, _deliver(connection, scope, sent, token, delivery, now)


def revoke(
    connection: Connection, scope: Scope, invitation_id: UUID, *, now: int, caller: Caller = NOWHERE
) -> Invitation:
    """End an invitation; its link is refused at once. Ending it again changes nothing.

    Raises NotFound (`no_invitation`), Conflict (`invitation_over`) if it was accepted.
    """
    before = _lock(connection, scope, invitation_id)
    if before.accepted_at is not None:
        raise Conflict("This invitation was accepted. Remove the member instead.", code="invitation_over")
    if before.revoked_at is None:
        connection.execute(update(invitations).where(*_is_row(before)).values(revoked_at=now))
        _record(connection, scope, "user.invitation_revoked", before, now, caller, {})
    return invitation_of_row(_row(connection, scope, invitation_id))


def parse_invitation_id(text: str) -> UUID:
    """The id of an invitation as the API and the pages write it; NotFound (`no_invitation`) for another text."""
    try:
        return ids.parse_uuid(PREFIX, text)
    except ValueError:
        raise _no_invitation() from None


def invitation_of_row(row: Row[Any]) -> Invitation:
    """A row of invitations, without the hash of its link."""
    return Invitation(
        row.org_id, row.invitation_id, row.email, row.role, row.invited_by, row.invited_by_name, row.made_at,
        row.expires_at, row.sent_at, row.accepted_at, row.revoked_at,
    )  # fmt: skip


def invitation_email(organization: str, found: Invitation, link: str) -> Email:
    """The email with the link."""
    return TEMPLATES.render(
        "invitation",
        organization=" ".join(organization.split()),
        inviter=found.invited_by_name,
        role=found.role,
        email=found.email,
        link=link,
    )


def _deliver(
    connection: Connection, scope: Scope, found: Invitation, token: Secret, delivery: LinkDelivery, now: int
) -> str:
    link = f"{delivery.url.rstrip('/')}{PATH}/{token}"
    if not delivery.by_email:
        return link
    organization = organizations.of_scope(connection, scope)
    email = invitation_email(organization.name, found, link)
    email_queue.enqueue(connection, scope.org_id, found.email, email, now=now)
    return ""


def _count_links(connection: Connection, scope: Scope, now: int) -> None:
    """TooMany if the organization made too many links within a day: each can be an email to a stranger."""
    lately = (invitations.c.org_id == scope.org_id) & (invitations.c.expires_at > now - DAY_US + LIFETIME_US)
    count = connection.execute(select(func.sum(invitations.c.sends)).where(lately)).scalar() or 0
    if count >= MOST_LINKS:
        raise TooMany(
            f"{MOST_LINKS} links were made within a day. Invite more people tomorrow.",
            code="too_many_invitations",
            retry_after=DAY_US // SECOND_US // 24,
        )


def _is_member(connection: Connection, scope: Scope, address: str) -> bool:
    try:
        members.find_by_address(connection, scope, address)
    except NotFound:
        return False
    return True


def _lock(connection: Connection, scope: Scope, invitation_id: UUID) -> Invitation:
    """The invitation, locked; only owners change the invitation of an owner."""
    require(scope, "admin")
    found = invitation_of_row(_row(connection, scope, invitation_id, lock=True))
    if found.role == "owner":
        require_ownership(scope)
    return found


def _row(connection: Connection, scope: Scope, invitation_id: UUID, *, lock: bool = False) -> Row[Any]:
    mine = (invitations.c.org_id == scope.org_id) & (invitations.c.invitation_id == invitation_id)
    wanted = select(invitations).where(mine)
    row = connection.execute(wanted.with_for_update() if lock else wanted).first()
    if row is None:
        raise _no_invitation()
    return row


def _is_row(found: Invitation) -> tuple[Any, Any]:
    return invitations.c.org_id == found.org_id, invitations.c.invitation_id == found.invitation_id


def _no_invitation() -> NotFound:
    return NotFound("Invitation not found in this organization.", code="no_invitation")


def _record(
    connection: Connection,
    scope: Scope,
    action: str,
    found: Invitation,
    now: int,
    caller: Caller,
    changes: dict[str, Any],
) -> None:
    record_own(
        connection, scope.org_id, action, by=scope.principal, caller=caller, now=now,
        on=resource("invitation", found.invitation_id, PREFIX, found.email), changes=changes,
    )  # fmt: skip
