"""An owner's approval of destinations outside the organization. Nothing is sent there before, not even a test."""

from collections.abc import Set
from typing import Any

from sqlalchemy import Connection, update

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own_for
from tallystick.access.scopes import is_owner, require_ownership
from tallystick.destinations.destination import WAITING, Destination, destination_resource, is_destination, show
from tallystick.destinations.tables import destinations
from tallystick.errors import Conflict
from tallystick.query.scope import Scope


def approval_values(scope: Scope, outside: Set[str], approved: Set[str], now: int) -> dict[str, Any]:
    """The columns of a destination whose settings lead to the places `outside` of the organization.

    An owner approves them by writing the settings; from anybody else they wait, unless an owner approved all of them
    before (`approved`): then nothing changes.
    """
    if not outside:
        return {"approval": "", "approved_by": "", "approved_at": None}
    if outside <= approved:
        return {}
    if is_owner(scope):
        return _approved(scope, now)
    return {"approval": WAITING, "approved_by": "", "approved_at": None}


def approve(
    connection: Connection, scope: Scope, public_id: str, revision: str | None, *, now: int, caller: Caller = NOWHERE
) -> Destination:
    """Approve a destination as an owner, who saw its settings at `revision`; None approves whatever they are.

    Forbidden (`owner_only`), NotFound (`no_such_destination`), Conflict (`destination_changed`).
    """
    require_ownership(scope)
    organizations.lock_row(connection, scope.org_id)
    one = show(connection, scope, public_id)
    if revision is not None and revision != one.revision:
        raise Conflict(
            "Somebody changed this destination after you opened the page. Look at it again before you approve it.",
            code="destination_changed",
        )
    if one.approval != WAITING:
        return one
    mine = is_destination(one.org_id, one.destination_id)
    connection.execute(update(destinations).where(mine).values(_approved(scope, now)))
    record_own_for(
        connection,
        scope,
        "audit_log.destination_approved",
        destination_resource(one),
        now=now,
        caller=caller,
        metadata={"kind": one.kind, "settings": dict(one.settings)},
    )
    return show(connection, scope, public_id)


def require_approval(one: Destination) -> None:
    """Conflict (`waiting_for_approval`) while an owner has not approved the destination."""
    if one.approval == WAITING:
        raise Conflict(
            "This destination is outside the organization and waits for an owner's approval on the page Alerts. "
            "Nothing is sent until then.",
            code="waiting_for_approval",
        )


def _approved(scope: Scope, now: int) -> dict[str, Any]:
    return {"approval": "approved", "approved_by": scope.principal.label[:254], "approved_at": now}
