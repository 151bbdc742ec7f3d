"""Members: people within one organization, and their roles."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller, record_own
from tallystick.access.role_holders import remember_owner
from tallystick.access.scopes import Role, parse_role, require, require_ownership, user_principal
from tallystick.access.tables import memberships, organizations, people, sessions
from tallystick.errors import Conflict, NotFound
from tallystick.query.scope import Principal, Scope


@dataclass(frozen=True, slots=True)
class Member:
    """A person in one organization; `is_disabled` if the person or the membership is. `joined_at` in microseconds."""

    user_id: UUID
    email: str
    name: str
    role: Role
    is_disabled: bool
    joined_at: int

    @property
    def principal(self) -> Principal:
        return user_principal(self.user_id, self.email, self.name)


def list_members(connection: Connection, scope: Scope) -> list[Member]:
    """Everyone in the scope's organization, by e-mail address."""
    require(scope, "admin")
    rows = connection.execute(_members().where(memberships.c.org_id == scope.org_id).order_by(people.c.email))
    return [_member_of_row(row) for row in rows]


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
    """Change a member's role. Only owners add and remove owners; one owner must remain (Conflict `last_owner`)."""
    member = _lock_member(connection, scope, user_id)
    after = parse_role(role)
    if member.role == after:
        return member
    if after == "owner":
        require_ownership(scope)
    if member.role == "owner":
        _keep_an_owner(connection, scope.org_id, but=user_id)
        remember_owner(connection, scope.org_id, user_id, now=now)
    connection.execute(update(memberships).where(*_is_member_row(scope, user_id)).values(role=after))
    changes = {"role": {"before": member.role, "after": after}}
    _record_change(connection, scope.org_id, "user.role_changed", member, scope.principal, now, caller, changes)
    return _member(connection, scope, user_id)


def set_disabled(
    connection: Connection, scope: Scope, user_id: UUID, disabled: bool, *, now: int, caller: Caller = NOWHERE
) -> Member:
    """Disable a member's access to this organization, at once, or enable it again. Conflict (`last_owner`)."""
    member = _lock_member(connection, scope, user_id)
    if disabled and member.role == "owner":
        _keep_an_owner(connection, scope.org_id, but=user_id)
    changed = connection.execute(
        update(memberships)
        .where(*_is_member_row(scope, user_id), memberships.c.disabled_at.is_(None) == disabled)
        .values(disabled_at=now if disabled else None)
    )
    if changed.rowcount:
        connection.execute(delete(sessions).where(sessions.c.org_id == scope.org_id, sessions.c.user_id == user_id))
        action = "user.disabled" if disabled else "user.enabled"
        _record_change(connection, scope.org_id, action, member, scope.principal, now, caller, {})
    return _member(connection, scope, user_id)


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
    values = {"org_id": org_id, "user_id": person.user_id, "role": role, "joined_at": now}
    try:
        connection.execute(insert(memberships).values(values))
    except IntegrityError:
        raise Conflict(f"{person.email} already belongs to this organization.", code="member_exists") from None
    member = Member(person.user_id, person.email, person.name, role, person.disabled_at is not None, now)
    _record_change(connection, org_id, action, member, by, now, caller, {"role": role})
    return member


def _members() -> Select[Any]:
    return select(
        people.c.user_id, people.c.email, people.c.name, memberships.c.role, memberships.c.joined_at,
        func.coalesce(memberships.c.disabled_at, people.c.disabled_at).label("disabled_at"),
    ).join(people, people.c.user_id == memberships.c.user_id)  # fmt: skip


def _member_of_row(row: Row[Any]) -> Member:
    return Member(row.user_id, row.email, row.name, row.role, row.disabled_at is not None, row.joined_at)


def _is_member_row(scope: Scope, user_id: UUID) -> tuple[Any, Any]:
    return memberships.c.org_id == scope.org_id, memberships.c.user_id == user_id


def _member(connection: Connection, scope: Scope, user_id: UUID) -> Member:
    row = connection.execute(_members().where(*_is_member_row(scope, user_id))).first()
    if row is None:
        raise NotFound("Member not found in this organization.", code="no_member")
    return _member_of_row(row)


def _lock_member(connection: Connection, scope: Scope, user_id: UUID) -> Member:
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
    on = {"type": "user", "id": ids.encode("usr", member.user_id.bytes), "name": member.email}
    record_own(connection, org_id, action, by=by, caller=caller, on=on, now=now, changes=changes)
