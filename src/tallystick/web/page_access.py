"""Which roles may use a page or a form: declared with its handler, and checked before the handler does anything."""

from typing import Any

from tallystick.access.scopes import ROLES, Role, require_ownership, require_whole_trail
from tallystick.errors import Forbidden
from tallystick.query.scope import Scope

OPTION = "roles"  # in the options of a Litestar handler


def page_roles(*roles: Role) -> dict[str, frozenset[Role]]:
    """The `opt` of a handler that people of these roles may use."""
    return {OPTION: frozenset(roles)}


EVERY_ROLE = page_roles(*ROLES)
WHOLE_TRAIL = page_roles("owner", "admin", "auditor")
CASE_WRITERS = page_roles("owner", "admin", "member")
ADMINS = page_roles("owner", "admin")
OWNERS = page_roles("owner")


def require_page_role(scope: Scope, options: dict[str, Any]) -> None:
    """Forbidden (`whole_trail_only`, `owner_only`, `role_not_allowed`) unless the page's options name the role."""
    allowed = options[OPTION]
    # Members see only their own activity: a page that is open to them shows nothing beyond a filter.
    if scope.role in allowed and (not scope.is_filtered or "member" in allowed):
        return
    if "auditor" in allowed:
        require_whole_trail(scope)
    if allowed == OWNERS[OPTION]:
        require_ownership(scope)
    raise Forbidden(f"Your role ({scope.role}) does not allow this. Ask an owner or admin.", code="role_not_allowed")
