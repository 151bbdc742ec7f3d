"""The mandatory filter of a membership: the events that a member may read, in every way of reading."""

from uuid import UUID

from sqlalchemy import Connection, update

from tallystick.access.audit import NOWHERE, Caller, record_own
from tallystick.access.current_scope import require_owner
from tallystick.access.members import FILTERED_ROLES, Member, lock_member, member_resource, show_member
from tallystick.access.revision import bump_revision
from tallystick.access.scopes import preview_scope
from tallystick.access.tables import filter_values, memberships
from tallystick.errors import Conflict
from tallystick.query.mandatory_filter import MandatoryFilter
from tallystick.query.scope import Scope


def set_filter(
    connection: Connection,
    scope: Scope,
    user_id: UUID,
    wanted: MandatoryFilter | None,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Member:
    """Let a member read only the events of a filter, or, with None, all that the role may; every server obeys at once.

    Raises Forbidden (`owner_only`) unless an owner acts, or a key of one; NotFound (`no_member`); Conflict
    (`not_filterable`) for an owner or admin, who could lift the filter.
    """
    require_owner(connection, scope)
    member = lock_member(connection, scope, user_id)
    if wanted is not None and member.role not in FILTERED_ROLES:
        raise _not_filterable(member)
    if member.limit == wanted:
        return member
    mine = (memberships.c.org_id == scope.org_id) & (memberships.c.user_id == user_id)
    connection.execute(update(memberships).where(mine).values(filter_values(wanted)))
    bump_revision(connection)
    before = None if member.limit is None else member.limit.text
    record_own(
        connection, scope.org_id, "user.filter_changed",
        by=scope.principal, caller=caller, now=now, on=member_resource(member),
        changes={"filter": {"before": before, "after": wanted.text if wanted else None}},
    )  # fmt: skip
    return show_member(connection, scope, user_id)


def scope_within_filter(connection: Connection, scope: Scope, user_id: UUID, wanted: MandatoryFilter) -> Scope:
    """A scope that reads for the principal of `scope` what the member would read within the filter.

    Raises what `set_filter` raises.
    """
    require_owner(connection, scope)
    member = show_member(connection, scope, user_id)
    if member.role not in FILTERED_ROLES:
        raise _not_filterable(member)
    return preview_scope(scope, member.principal, member.role, wanted)


def _not_filterable(member: Member) -> Conflict:
    return Conflict(
        f"{member.email} is {member.role} and could lift a filter. Make them an auditor or member first.",
        code="not_filterable",
    )
