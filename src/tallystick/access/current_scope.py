"""The current scope of a principal who asked for background work earlier, read when the work is done."""

from uuid import UUID

from sqlalchemy import Connection, select

from tallystick import ids
from tallystick.access.keys import read_key, scope_of_key
from tallystick.access.scopes import (
    operator_scope,
    parse_role,
    person_scope,
    require,
    require_ownership,
)
from tallystick.access.tables import api_keys, memberships, people
from tallystick.errors import Forbidden
from tallystick.query.mandatory_filter import read_filter
from tallystick.query.scope import OPERATOR, Principal, Scope


def current_scope(connection: Connection, org_id: UUID, asked: Principal, *, now: int) -> Scope:
    """The principal's scope as it is at `now` (microseconds). Forbidden (`access_ended`) if the access has ended."""
    if asked.kind == "system":
        return operator_scope(org_id, asked)
    return (
        _person_scope(connection, org_id, asked) if asked.kind == "user" else _key_scope(connection, org_id, asked, now)
    )


def _person_scope(connection: Connection, org_id: UUID, asked: Principal) -> Scope:
    member = (memberships.c.org_id == org_id) & (memberships.c.user_id == ids.parse_uuid("usr", asked.id))
    row = connection.execute(
        select(memberships.c.role, memberships.c.filter, memberships.c.filter_condition)
        .join(people, people.c.user_id == memberships.c.user_id)
        .where(member, memberships.c.disabled_at.is_(None), people.c.disabled_at.is_(None))
    ).first()
    if row is None:
        raise Forbidden(f"{asked.label} no longer has access.", code="access_ended")
    return person_scope(org_id, asked, parse_role(row.role), read_filter(row.filter, row.filter_condition))


def _key_scope(connection: Connection, org_id: UUID, asked: Principal, now: int) -> Scope:
    mine = (api_keys.c.org_id == org_id) & (api_keys.c.key_id == ids.parse_uuid("key", asked.id))
    row = connection.execute(select(api_keys).where(mine)).first()
    key = None if row is None else read_key(row)
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise Forbidden(f"The API key {asked.name} was revoked or has expired.", code="access_ended")
    return scope_of_key(key)


def require_owner(connection: Connection, scope: Scope) -> None:
    """Forbidden (`owner_only`) unless an owner or the operator acts, or a key that one of them created.

    A key belongs to the organization; without this rule an admin could create one and do with it what only owners may.
    """
    require(scope, "admin")
    if scope.principal.kind != "api_key":
        require_ownership(scope)
        return
    key_id = ids.parse_uuid("key", scope.principal.id)
    maker = connection.execute(
        select(api_keys.c.created_by).where(api_keys.c.org_id == scope.org_id, api_keys.c.key_id == key_id)
    ).scalar()
    if maker == OPERATOR.name:
        return
    owns = (
        select(people.c.user_id)
        .join(memberships, memberships.c.user_id == people.c.user_id)
        .where(memberships.c.org_id == scope.org_id, memberships.c.role == "owner", people.c.email == maker)
        .where(memberships.c.disabled_at.is_(None), people.c.disabled_at.is_(None))
    )
    if maker is None or connection.execute(owns).first() is None:
        raise Forbidden("Only an owner can do this, or an API key that an owner created.", code="owner_only")
