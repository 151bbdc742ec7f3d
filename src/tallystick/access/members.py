"""Members: people within one organization, and their roles."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tallystick import ids
from tallystick.access import names
from tallystick.access.audit import NOWHERE, Caller, record_own
from tallystick.access.leavers import end_keys_of_leaver
from tallystick.access.revision import bump_revision
from tallystick.access.role_holders import remember_owner
from tallystick.access.scopes import Role, parse_role, require, require_ownership, user_principal
from tallystick.access.tables import memberships, organizations, people, sessions
from tallystick.errors import Conflict, NotFound
from tallystick.query.mandatory_filter import MandatoryFilter, read_filter
from tallystick.query.scope import Principal, Scope

# An owner or admin could lift a filter, so that it would hold nothing back.
FILTERED_ROLES: tuple[Role, ...] = ("auditor", "member")


@dataclass(frozen=True, slots=True)
class Member:
    """A person in one organization; `is_disabled` if the person or the membership is. Times are in microseconds.

    `signed_in_at` is the last sign-in to this organization, None before the first; `sign_in_method` says how
    (`password`, `sso`, …), "" if it is not known.
    """

    user_id: UUID
    email: str
    name: str
    role: Role
    is_disabled: bool
    joined_at: int
    signed_in_at: int | None = None
    sign_in_method: str = ""
    limit: MandatoryFilter | None = None  # what the member may read; None is all that the role may

    @property
    def public_id(self) -> str:
        return ids.encode("usr", self.user_id.bytes)

    @property
    def principal(self) -> Principal:
        return user_principal(self.user_id, self.email, self.name)


def list_members(connection: Connection, scope: Scope) -> list[Member]:
    """Everyone in the scope's organization, by e-mail address."""
    require(scope, "admin")
    rows = connection.execute(_members().where(memberships.c.org_id == scope.org_id).order_by(people.c.email))
    return [_member_of_row(row) for row in rows]


def show_member(connection: Connection, scope: Scope, user_id: UUID) -> Member:
    """A member of the scope's organization. NotFound (`no_member`)."""
    require(scope, "admin")
    return _member(connection, scope, user_id)


def parse_member_id(text: str) -> UUID:
    """The id of a person as the API and the pages write it; NotFound (`no_member`) for another text."""
    try:
        return ids.parse_uuid("usr", text)
    except ValueError:
        raise _no_member() from None


def find_by_address(connection: Connection, scope: Scope, email: str) -> Member:
    """The member of the scope's organization with that e-mail address. NotFound (`no_member`)."""
    require(scope, "admin")
    mine = (memberships.c.org_id == scope.org_id) & (people.c.email == names.email(email))
    row = connection.execute(_members().where(mine)).first()
    if row is None:
        raise _no_member()
    return _member_of_row(row)


def member_addresses(connection: Connection, org_id: UUID) -> set[str]:
    """The addresses of the organization's members whose access is not disabled."""
    members = (
        select(people.c.email)
        .join(memberships, memberships.c.user_id == people.c.user_id)
        .where(memberships.c.org_id == org_id, memberships.c.disabled_at.is_(None), people.c.disabled_at.is_(None))
    )
    return set(connection.execute(members).scalars())


def change_role(
    connection: Connection, scope: Scope, user_id: UUID, role: str, *, now: int, caller: Caller = NOWHERE
) -> Member:
    """Change a member's role, everywhere within a second.

    Only owners add and remove owners; one owner must remain (Conflict `last_owner`).
    """
    member = lock_member(connection, scope, user_id)
    after = parse_role(role)
    if member.role == after:
        return member
    if after == "owner":
        require_ownership(scope)
    if member.limit is not None and after not in FILTERED_ROLES:
        raise Conflict(
            f"{member.email} sees only {member.limit.text}. An owner has to remove this filter first.",
            code="member_filtered",
        )
    if member.role == "owner":
        _keep_an_owner(connection, scope.org_id, but=user_id)
        remember_owner(connection, scope.org_id, user_id, now=now)
    connection.execute(update(memberships).where(*_is_member_row(scope, user_id)).values(role=after))
    bump_revision(connection)
    changes = {"role": {"before": member.role, "after": after}}
    _record_change(connection, scope.org_id, "user.role_changed", member, scope.principal, now, caller, changes)
    return _member(connection, scope, user_id)


def set_disabled(
    connection: Connection, scope: Scope, user_id: UUID, disabled: bool, *, now: int, caller: Caller = NOWHERE
) -> Member:
    """Disable a member's access to this organization, at once, or enable it again. Conflict (`last_owner`).

    What ends with the access of a leaver ends with it, and does not begin again.
    """
    member = lock_member(connection, scope, user_id)
    if disabled and member.role == "owner":
        _keep_an_owner(connection, scope.org_id, but=user_id)
    changed = connection.execute(
        update(memberships)
        .where(*_is_member_row(scope, user_id), memberships.c.disabled_at.is_(None) == disabled)
        .values(disabled_at=now if disabled else None)
    )
    if changed.rowcount:
        _end_sessions(connection, scope.org_id, user_id)
        changes: dict[str, Any] = {"disabled": {"before": not disabled, "after": disabled}}
        if disabled:
            changes |= end_keys_of_leaver(connection, scope, member.email, now=now, caller=caller)
        action = "user.disabled" if disabled else "user.enabled"
        _record_change(connection, scope.org_id, action, member, scope.principal, now, caller, changes)
    return _member(connection, scope, user_id)


def remove(connection: Connection, scope: Scope, user_id: UUID, *, now: int, caller: Caller = NOWHERE) -> Member:
    """Remove a member from this organization, at once; the account stays. Returns the member as it was.

    Conflict (`last_owner`), NotFound (`no_member`), also for somebody who was just removed.
    """
    member = lock_member(connection, scope, user_id)
    if member.role == "owner":
        _keep_an_owner(connection, scope.org_id, but=user_id)
        remember_owner(connection, scope.org_id, user_id, now=now)
    _end_sessions(connection, scope.org_id, user_id)
    connection.execute(delete(memberships).where(*_is_member_row(scope, user_id)))
    changes: dict[str, Any] = {"role": {"before": member.role, "after": None}}
    changes |= end_keys_of_leaver(connection, scope, member.email, now=now, caller=caller)
    _record_change(connection, scope.org_id, "user.removed", member, scope.principal, now, caller, changes)
    return member


def sign_out(connection: Connection, scope: Scope, user_id: UUID, *, now: int, caller: Caller = NOWHERE) -> int:
    """End every session of a member in this organization; returns how many there were. NotFound (`no_member`)."""
    member = lock_member(connection, scope, user_id)
    ended = _end_sessions(connection, scope.org_id, user_id)
    if ended:
        changes = {"sessions": {"before": ended, "after": 0}}
        _record_change(connection, scope.org_id, "user.session_revoked", member, scope.principal, now, caller, changes)
    return ended


def enter(
    connection: Connection,
    org_id: UUID,
    person: Row[Any],
    role: Role,
    action: str,
    *,
    by: Principal,
    now: int,
    caller: Caller,
) -> Member:
    """Make a person a member. Called by `people.add`, which has checked the permission."""
    member = insert_membership(connection, org_id, person, role, now=now)
    _record_change(connection, org_id, action, member, by, now, caller, {"role": role})
    return member


def insert_membership(connection: Connection, org_id: UUID, person: Row[Any], role: Role, *, now: int) -> Member:
    """Make a person a member, unrecorded. Conflict (`member_exists`)."""
    values = {"org_id": org_id, "user_id": person.user_id, "role": role, "joined_at": now}
    try:
        connection.execute(insert(memberships).values(values))
    except IntegrityError:
        raise Conflict(f"{person.email} already belongs to this organization.", code="member_exists") from None
    return Member(person.user_id, person.email, person.name, role, person.disabled_at is not None, now)


def _members() -> Select[Any]:
    return select(
        people.c.user_id, people.c.email, people.c.name, memberships.c.role, memberships.c.joined_at,
        memberships.c.signed_in_at, memberships.c.sign_in_method,
        memberships.c.filter, memberships.c.filter_condition,
        func.coalesce(memberships.c.disabled_at, people.c.disabled_at).label("disabled_at"),
    ).join(people, people.c.user_id == memberships.c.user_id)  # fmt: skip


def _member_of_row(row: Row[Any]) -> Member:
    return Member(
        row.user_id, row.email, row.name, row.role, row.disabled_at is not None, row.joined_at,
        row.signed_in_at, row.sign_in_method, read_filter(row.filter, row.filter_condition),
    )  # fmt: skip


def _is_member_row(scope: Scope, user_id: UUID) -> tuple[Any, Any]:
    return memberships.c.org_id == scope.org_id, memberships.c.user_id == user_id


def member_resource(member: Member) -> dict[str, str]:
    """The member as the resource of an audit event."""
    return {"type": "user", "id": ids.encode("usr", member.user_id.bytes), "name": member.email}


def _no_member() -> NotFound:
    return NotFound("Member not found in this organization.", code="no_member")


def _member(connection: Connection, scope: Scope, user_id: UUID) -> Member:
    row = connection.execute(_members().where(*_is_member_row(scope, user_id))).first()
    if row is None:
        raise _no_member()
    return _member_of_row(row)


def _end_sessions(connection: Connection, org_id: UUID, user_id: UUID) -> int:
    """End the sessions of a member in the organization, in open live views too; returns how many there were."""
    ended = connection.execute(delete(sessions).where(sessions.c.org_id == org_id, sessions.c.user_id == user_id))
    bump_revision(connection)
    return ended.rowcount


def lock_member(connection: Connection, scope: Scope, user_id: UUID) -> Member:
    """The member, after this transaction locked the organization's memberships against other changes."""
    require(scope, "admin")
    connection.execute(select(organizations.c.org_id).where(organizations.c.org_id == scope.org_id).with_for_update())
    member = _member(connection, scope, user_id)
    if member.role == "owner":
        require_ownership(scope)
    return member


def _keep_an_owner(connection: Connection, org_id: UUID, *, but: UUID) -> None:
    others = (
        _members()
        .where(memberships.c.org_id == org_id, memberships.c.role == "owner", people.c.user_id != but)
        .where(memberships.c.disabled_at.is_(None), people.c.disabled_at.is_(None))
    )
    if connection.execute(others.limit(1)).first() is None:
        raise Conflict("This is the last owner. Make another member an owner first.", code="last_owner")


def _record_change(
    connection: Connection,
    org_id: UUID,
    action: str,
    member: Member,
    by: Principal,
    now: int,
    caller: Caller,
    changes: dict[str, Any],
) -> None:
    record_own(connection, org_id, action, by=by, caller=caller, on=member_resource(member), now=now, changes=changes)
