"""An organization's setting of how much of what people look at is recorded."""

from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own_for, resource
from tallystick.access.current_scope import require_owner
from tallystick.access.scopes import require_person
from tallystick.data_access.tables import data_access_settings
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope

ViewRecording = Literal["off", "usual", "every"]
"""off: no views; usual: a view that rested, once in ten minutes; every: each view that rested."""
USUAL: ViewRecording = "usual"
CHOICES: tuple[ViewRecording, ...] = get_args(ViewRecording)
PAGE = "/retention#views"


def read_view_recording(connection: Connection, org_id: UUID) -> ViewRecording:
    """The organization's setting."""
    mine = data_access_settings.c.org_id == org_id
    found: ViewRecording | None = connection.execute(select(data_access_settings.c.views).where(mine)).scalar()
    return found or USUAL


def set_view_recording(
    connection: Connection, scope: Scope, wanted: str, *, now: int, caller: Caller = NOWHERE
) -> ViewRecording:
    """Change the setting, and record the change in the trail.

    For owners and the operator: raises Forbidden (`owner_only`, `person_required`); BadRequest (`bad_view_recording`).
    """
    require_person(scope, PAGE)
    require_owner(connection, scope)
    choice = next((one for one in CHOICES if one == wanted), None)
    if choice is None:
        raise BadRequest(f"Choose one of {', '.join(CHOICES)}.", code="bad_view_recording", field="views")
    organizations.lock_row(connection, scope.org_id)
    before = read_view_recording(connection, scope.org_id)
    if before == choice:
        return choice
    mine = data_access_settings.c.org_id == scope.org_id
    if not connection.execute(update(data_access_settings).where(mine).values(views=choice)).rowcount:
        connection.execute(insert(data_access_settings).values(org_id=scope.org_id, views=choice))
    name = organizations.of_scope(connection, scope).name
    on = resource("organization", scope.org_id, "org", name)
    changes = {"views": {"before": before, "after": choice}}
    record_own_for(connection, scope, "audit_log.view_recording_changed", on, now=now, caller=caller, changes=changes)
    return choice
