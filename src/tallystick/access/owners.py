"""Acts of an owner alone, also through a key."""

from uuid import UUID

from sqlalchemy import Connection, select

from tallystick import ids
from tallystick.access.scopes import OPERATOR, require, require_ownership
from tallystick.access.tables import api_keys, memberships, people
from tallystick.errors import Forbidden
from tallystick.query.scope import Scope


def require_owner(connection: Connection, scope: Scope) -> None:
    """Forbidden (`owner_only`) unless an owner or the operator acts, or a key for all that one of them made.

    A key belongs to the organization: else an admin could make one, and do with it what only owners may.
    """
    require(scope, "admin")
    if scope.principal.kind != "api_key":
        require_ownership(scope)
        return
    key_id = UUID(bytes=ids.decode("key", scope.principal.id))
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
        raise Forbidden("Only an owner may do this, or a key that an owner made.", code="owner_only")
