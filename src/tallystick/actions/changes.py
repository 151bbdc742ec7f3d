"""Describes an organization's own actions, and removes descriptions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, differences, record_own_for
from tallystick.access.scopes import require
from tallystick.actions.catalogues import description_of
from tallystick.actions.tables import action_descriptions, action_revisions
from tallystick.errors import Conflict, Invalid, NotFound
from tallystick.events.action_catalogue import ActionDescription
from tallystick.events.action_schema import ActionSchema, SchemaProblem
from tallystick.events.catalogue import CATALOGUE
from tallystick.events.incoming import MAX_ACTION
from tallystick.events.intake import ACTION, BAD_ACTION
from tallystick.events.sentence_template import template_problem
from tallystick.query.own_records import IMPORTED, RESERVED
from tallystick.query.scope import Scope

MOST_ACTIONS = 500
MAX_DESCRIPTION = 500
_FIELDS = ("category", "status", "severity", "sentence", "description", "schema", "mode")


def list_descriptions(connection: Connection, scope: Scope) -> list[ActionDescription]:
    """The organization's own descriptions, by action."""
    mine = action_descriptions.c.org_id == scope.org_id
    rows = connection.execute(select(action_descriptions).where(mine).order_by(action_descriptions.c.action))
    return [description_of(row) for row in rows]


def describe_action(
    connection: Connection, scope: Scope, wanted: ActionDescription, *, now: int, caller: Caller = NOWHERE
) -> ActionDescription:
    """Describe an action, or replace its description, and record the change in the trail.

    Raises Forbidden (`missing_permission`), Invalid (`invalid_description`, with `field`), Conflict
    (`too_many_actions`).
    """
    require(scope, "admin")
    _check(wanted)
    # Locked, so that two requests at once cannot both describe the last action allowed.
    organizations.lock_row(connection, scope.org_id)
    earlier = _find(connection, scope, wanted.action)
    if earlier == wanted:
        return wanted
    if earlier is None:
        mine = action_descriptions.c.org_id == scope.org_id
        number = connection.execute(select(func.count()).select_from(action_descriptions).where(mine)).scalar_one()
        if number >= MOST_ACTIONS:
            raise Conflict(
                f"An organization can describe at most {MOST_ACTIONS} actions. Remove one first.",
                code="too_many_actions",
            )
    values = _values(wanted) | {"changed_at": now}
    values["schema"] = msgspec.json.encode(wanted.schema).decode() if wanted.schema is not None else ""
    key = {"org_id": scope.org_id, "action": wanted.action}
    if earlier is None:
        connection.execute(insert(action_descriptions).values(**key, **values))
    else:
        connection.execute(update(action_descriptions).where(_clause(scope, wanted.action)).values(**values))
    next_revision(connection, scope.org_id)
    changes = differences(_values(earlier) if earlier else {}, _values(wanted))
    _record(connection, scope, "audit_log.action_described", wanted.action, changes, now, caller)
    return wanted


def remove_description(
    connection: Connection, scope: Scope, action: str, *, now: int, caller: Caller = NOWHERE
) -> None:
    """Remove the description of an action, and record it in the trail; events keep what they were recorded with.

    Raises Forbidden (`missing_permission`), NotFound (`no_description`).
    """
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    earlier = _find(connection, scope, action)
    if earlier is None:
        raise NotFound("Your organization has no description of this action.", code="no_description")
    connection.execute(delete(action_descriptions).where(_clause(scope, action)))
    next_revision(connection, scope.org_id)
    _record(connection, scope, "audit_log.action_removed", action, differences(_values(earlier), {}), now, caller)


def _check(wanted: ActionDescription) -> None:
    if detail := _name_problem(wanted.action):
        raise _invalid("action", detail)
    if wanted.sentence and (detail := template_problem(wanted.sentence)):
        raise _invalid("sentence", detail)
    text = wanted.description
    if len(text) > MAX_DESCRIPTION or any(not (one.isprintable() or one == "\n") for one in text):
        raise _invalid("description", f"A description is text of at most {MAX_DESCRIPTION} characters. Shorten it.")
    if wanted.schema is not None:
        try:
            ActionSchema(wanted.schema)
        except SchemaProblem as problem:
            raise _invalid(f"schema.{problem.place}".rstrip("."), problem.detail) from None


def _name_problem(action: str) -> str | None:
    """Why an action of this name cannot be described."""
    if len(action) > MAX_ACTION or not ACTION.fullmatch(action):
        return BAD_ACTION
    if action.startswith((RESERVED, IMPORTED + RESERVED)):
        return f"Actions that begin with `{RESERVED}` are Tallystick's own, which describes them itself."
    if action in CATALOGUE:
        return (
            "Tallystick describes this action itself, so that detections and reports can rely on its meaning. Describe "
            "an action of another name."
        )
    return None


def _invalid(field: str, detail: str) -> Invalid:
    return Invalid(detail, code="invalid_description", field=field[:200])


def _values(one: ActionDescription) -> dict[str, Any]:
    return {name: getattr(one, name) for name in _FIELDS}


def _clause(scope: Scope, action: str) -> Any:
    return (action_descriptions.c.org_id == scope.org_id) & (action_descriptions.c.action == action)


def _find(connection: Connection, scope: Scope, action: str) -> ActionDescription | None:
    row = connection.execute(select(action_descriptions).where(_clause(scope, action))).first()
    return None if row is None else description_of(row)


def next_revision(connection: Connection, org_id: UUID) -> None:
    """Say that the organization's descriptions have changed; caches of every process look for it."""
    mine = action_revisions.c.org_id == org_id
    more = update(action_revisions).where(mine).values(revision=action_revisions.c.revision + 1)
    if not connection.execute(more).rowcount:
        connection.execute(insert(action_revisions).values(org_id=org_id, revision=1))


def _record(
    connection: Connection,
    scope: Scope,
    event: str,
    action: str,
    changes: Mapping[str, Any],
    now: int,
    caller: Caller,
) -> None:
    on = {"type": "action", "id": action, "name": action}
    record_own_for(connection, scope, event, on, now=now, caller=caller, changes=changes)
