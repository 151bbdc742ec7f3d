"""Public logs: whether anybody may read a log's checkpoint, tiles, keys and proofs, which reveal no event."""

from sqlalchemy import Connection, delete, insert, select

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import log_scope, require_ownership
from tallystick.errors import NotFound
from tallystick.integrity.tables import public_logs
from tallystick.ledger.tables import logs
from tallystick.query.scope import Scope


def set_public(connection: Connection, scope: Scope, public: bool, *, now: int, caller: Caller = NOWHERE) -> None:
    """Make the log public or private; nothing happens when it is already. Forbidden (`owner_only`) but for owners."""
    require_ownership(scope)
    organizations.lock_row(connection, scope.org_id)
    mine = public_logs.c.org_id == scope.org_id
    if (connection.execute(select(public_logs.c.since).where(mine)).first() is not None) == public:
        return
    if public:
        connection.execute(insert(public_logs).values(org_id=scope.org_id, since=now))
    else:
        connection.execute(delete(public_logs).where(mine))
    organization = organizations.of_scope(connection, scope)
    on = resource("organization", organization.org_id, "org", organization.name)
    action = "audit_log.log_published" if public else "audit_log.log_unpublished"
    record_own(connection, scope.org_id, action, by=scope.principal, caller=caller, on=on, now=now)


def public_scope(connection: Connection, origin_id: str) -> Scope:
    """The scope of an anonymous reader of the log with that random id; NotFound (`no_log`) unless it is public."""
    found = connection.execute(
        select(logs.c.org_id)
        .join(public_logs, public_logs.c.org_id == logs.c.org_id)
        .where(logs.c.origin_id == origin_id)
    ).scalar()
    if found is None:
        raise NotFound("There is no public log with this id.", code="no_log")
    return log_scope(found)
