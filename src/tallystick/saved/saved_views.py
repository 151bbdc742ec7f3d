"""Lists, saves, renames, shares and deletes saved views."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import require
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.query.conditions import EVERYTHING
from tallystick.query.scope import Scope
from tallystick.saved.tables import saved_views

PREFIX = "view"
MOST_NAME = 100
MOST_QUERY = 20_000
MOST_VIEWS = 100
# Parameters of a search with fixed values; others name people, things or words.
NAMING_NOTHING = frozenset({"status", "category", "range", "start", "end", "columns"})


@dataclass(frozen=True, slots=True)
class SavedView:
    """A saved view as a scope sees it: `query` is the query string of the page, `is_own` says whether the scope's
    person saved it."""

    id: str
    name: str
    query: str
    owner_name: str
    is_own: bool
    is_shared: bool


def list_views(connection: Connection, scope: Scope) -> list[SavedView]:
    """Lists the person's own views and those shared in the organization, by name.

    A filtered reader sees only those shared ones whose search names nothing: others tell what people look for.
    """
    rows = connection.execute(select(saved_views).where(_visible_clause(scope)))
    shown = (_view_of(row, scope) for row in rows if _may_see(row, scope))
    return sorted(shown, key=lambda view: (view.name.casefold(), not view.is_own))


def save_view(
    connection: Connection, scope: Scope, name: str, query: str, *, now: int, caller: Caller = NOWHERE
) -> SavedView:
    """Saves a query string under a name; replaces the person's own view of that name.

    Raises BadRequest (`bad_view`), Conflict (`too_many_views`).
    """
    require(scope, "events:read")
    words = _name(name)
    if len(query) > MOST_QUERY or "\0" in query:
        raise BadRequest("This view is too long to save. Remove some filters.", code="bad_view")
    # Locked, so that two requests at once cannot both create the last view allowed, or two of one name.
    organizations.lock_row(connection, scope.org_id)
    own = _own_clause(scope)
    existing = connection.execute(select(saved_views).where(own, saved_views.c.name == words)).first()
    if existing is None:
        number = connection.execute(select(func.count()).select_from(saved_views).where(own)).scalar_one()
        if number >= MOST_VIEWS:
            raise Conflict(
                f"You already have {MOST_VIEWS} views, the maximum. Delete one first.", code="too_many_views"
            )
    view_id = existing.view_id if existing else ids.new_uuid(now)
    values = {"query": query, "owner_name": _owner(scope), "changed_at": now}
    if existing:
        _update_view(connection, scope, view_id, values)
    else:
        key = {"org_id": scope.org_id, "view_id": view_id, "owner_id": scope.principal.id}
        connection.execute(insert(saved_views).values(**key, **values, name=words, is_shared=False))
    view = _find(connection, scope, ids.encode(PREFIX, view_id.bytes))
    _record(connection, scope, "audit_log.view_saved", view, now, caller, {"query": query[:2000]})
    return view


def rename_view(
    connection: Connection, scope: Scope, public_id: str, name: str, *, now: int, caller: Caller = NOWHERE
) -> None:
    """Renames the person's own view; Conflict (`view_exists`) if another one of theirs has that name."""
    organizations.lock_row(connection, scope.org_id)
    view, words = _find_own(connection, scope, public_id), _name(name)
    if words == view.name:
        return
    if connection.execute(select(saved_views.c.view_id).where(_own_clause(scope), saved_views.c.name == words)).first():
        raise Conflict("You already have a view with this name. Choose a different name.", code="view_exists")
    _update_view(connection, scope, _parse_id(public_id), {"name": words, "changed_at": now})
    changes = {"name": {"before": view.name, "after": words}}
    _record(connection, scope, "audit_log.view_renamed", view, now, caller, changes)


def share_view(
    connection: Connection, scope: Scope, public_id: str, is_shared: bool, *, now: int, caller: Caller = NOWHERE
) -> None:
    """Shares a view with everyone in the organization, or stops sharing it. Raises Forbidden (`may_not_share`)."""
    _require_sharing(scope)
    view = _find_own(connection, scope, public_id) if is_shared else _find(connection, scope, public_id)
    if view.is_shared == is_shared:
        return
    _update_view(connection, scope, _parse_id(public_id), {"is_shared": is_shared, "changed_at": now})
    action = "audit_log.view_shared" if is_shared else "audit_log.view_unshared"
    _record(connection, scope, action, view, now, caller, {"query": view.query[:2000]} if is_shared else {})


def delete_view(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Deletes the person's own view; owners and admins can delete any shared view."""
    view = _find(connection, scope, public_id)
    if not view.is_own:
        _require_sharing(scope)
    clause = (saved_views.c.org_id == scope.org_id) & (saved_views.c.view_id == _parse_id(public_id))
    connection.execute(delete(saved_views).where(clause))
    _record(connection, scope, "audit_log.view_deleted", view, now, caller, {"query": view.query[:2000]})


def may_share(scope: Scope) -> bool:
    """Whether the scope may share views: only owners and admins, since a shared view speaks for the organization."""
    return scope.role in ("owner", "admin")


def _require_sharing(scope: Scope) -> None:
    if not may_share(scope):
        raise Forbidden("Only owners and admins can share views. Ask one of them.", code="may_not_share")


def _visible_clause(scope: Scope) -> ColumnElement[bool]:
    require(scope, "events:read")
    own_or_shared = or_(saved_views.c.owner_id == scope.principal.id, saved_views.c.is_shared)
    return (saved_views.c.org_id == scope.org_id) & own_or_shared


def _may_see(row: Row[Any], scope: Scope) -> bool:
    if scope.mandatory == EVERYTHING or row.owner_id == scope.principal.id:
        return True
    return {name for name, _ in parse_qsl(row.query)} <= NAMING_NOTHING


def _own_clause(scope: Scope) -> ColumnElement[bool]:
    return (saved_views.c.org_id == scope.org_id) & (saved_views.c.owner_id == scope.principal.id)


def _find(connection: Connection, scope: Scope, public_id: str) -> SavedView:
    statement = select(saved_views).where(_visible_clause(scope), saved_views.c.view_id == _parse_id(public_id))
    row = connection.execute(statement).first()
    if row is None or not _may_see(row, scope):
        raise _view_not_found()
    return _view_of(row, scope)


def _find_own(connection: Connection, scope: Scope, public_id: str) -> SavedView:
    view = _find(connection, scope, public_id)
    if not view.is_own:
        raise Forbidden("This view belongs to someone else. Save your own under another name.", code="not_your_view")
    return view


def _parse_id(public_id: str) -> UUID:
    try:
        return ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _view_not_found() from None


def _view_not_found() -> NotFound:
    return NotFound("View not found. It may have been deleted, or you do not have access to it.", code="no_view")


def _update_view(connection: Connection, scope: Scope, view_id: UUID, values: dict[str, Any]) -> None:
    where = (saved_views.c.org_id == scope.org_id) & (saved_views.c.view_id == view_id)
    connection.execute(update(saved_views).where(where).values(**values))


def _name(text: str) -> str:
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if not 1 <= len(words) <= MOST_NAME:
        raise BadRequest(f"The name of a view must have 1 to {MOST_NAME} characters.", code="bad_view")
    return words


def _owner(scope: Scope) -> str:
    return scope.principal.label[:254]


def _view_of(row: Row[Any], scope: Scope) -> SavedView:
    shown = ids.encode(PREFIX, row.view_id.bytes)
    is_own = row.owner_id == scope.principal.id
    return SavedView(shown, row.name, row.query, row.owner_name, is_own, row.is_shared)


def _record(
    connection: Connection,
    scope: Scope,
    action: str,
    view: SavedView,
    now: int,
    caller: Caller,
    changes: dict[str, Any],
) -> None:
    on = resource("saved_view", _parse_id(view.id), PREFIX, view.name)
    record_own(connection, scope.org_id, action, by=scope.principal, caller=caller, on=on, now=now, changes=changes)
