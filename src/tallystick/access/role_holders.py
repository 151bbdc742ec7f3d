"""Owners and other people who may decide, as accounts: how many there are, and lately were."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, union

from tallystick import ids
from tallystick.access.scopes import Role
from tallystick.access.tables import former_owners, memberships, people
from tallystick.clock import DAY_US

LOOK_BACK_DAYS = 30


def people_with_role(connection: Connection, org_id: UUID, roles: Collection[Role]) -> set[str]:
    """The public ids (`usr_…`) of the members with one of the roles whose access is not disabled."""
    members = _joined().where(
        memberships.c.org_id == org_id,
        memberships.c.role.in_(roles),
        memberships.c.disabled_at.is_(None),
        people.c.disabled_at.is_(None),
    )
    return {ids.encode("usr", user_id.bytes) for user_id in connection.execute(members).scalars()}


def count_recent_owners(connection: Connection, org_id: UUID, now: int) -> int:
    """How many people are owners, or were within the last 30 days, before they were demoted or disabled.

    So that nobody is demoted in order to decide alone what takes two owners.
    """
    since = now - LOOK_BACK_DAYS * DAY_US

    def lately(disabled_at: ColumnElement[Any]) -> ColumnElement[bool]:
        return or_(disabled_at.is_(None), disabled_at > since)

    present = _joined().where(
        memberships.c.org_id == org_id,
        memberships.c.role == "owner",
        lately(memberships.c.disabled_at),
        lately(people.c.disabled_at),
    )
    former = select(former_owners.c.user_id).where(former_owners.c.org_id == org_id, former_owners.c.ended_at > since)
    return connection.execute(select(func.count()).select_from(union(present, former).subquery())).scalar_one()


def remember_owner(connection: Connection, org_id: UUID, user_id: UUID, *, now: int) -> None:
    """Note that a person ceases to be an owner. Call it with every change that takes the role away from a member."""
    mine = (former_owners.c.org_id == org_id) & (former_owners.c.user_id == user_id)
    connection.execute(delete(former_owners).where(mine))
    connection.execute(insert(former_owners).values(org_id=org_id, user_id=user_id, ended_at=now))


def _joined() -> Any:
    return select(memberships.c.user_id).join(people, people.c.user_id == memberships.c.user_id)
