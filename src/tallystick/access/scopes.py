"""Scopes: the only place that constructs them, from a role, from a key's scopes, or for the operator."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal, get_args
from uuid import UUID

from tallystick import ids
from tallystick.errors import BadRequest, Forbidden
from tallystick.query.conditions import And, Condition, Equals
from tallystick.query.mandatory_filter import MandatoryFilter
from tallystick.query.scope import OPERATOR, Permission, Principal, Scope

Role = Literal["owner", "admin", "auditor", "member"]

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
_ALL = frozenset(PERMISSIONS)

# No permission changes or deletes an event: there is none.
ROLES: Mapping[Role, frozenset[Permission]] = {
    "owner": _ALL,
    "admin": _ALL,  # all but ownership: see `require_ownership`
    "auditor": frozenset({"events:read", "exports"}),
    "member": frozenset({"events:read", "exports"}),  # of what it may read
}


def parse_role(text: str) -> Role:
    """`text` as a role; BadRequest (`bad_role`) names the four."""
    for role in ROLES:
        if text == role:
            return role
    raise BadRequest(f"There is no role {text!r}; write one of {', '.join(ROLES)}.", code="bad_role", field="role")


def parse_permissions(texts: Iterable[str]) -> frozenset[Permission]:
    """The scopes of a key; BadRequest (`bad_scope`) when there is none or an unknown one."""
    wanted = set(texts)
    unknown = sorted(wanted - _ALL)
    if unknown or not wanted:
        problem = f"Unknown scope {unknown[0]!r}" if unknown else "A key needs at least one scope"
        raise BadRequest(
            f"{problem}. Choose one or more of {', '.join(PERMISSIONS)}.", code="bad_scope", field="scopes"
        )
    return frozenset(known for known in PERMISSIONS if known in wanted)


def stored_permissions(texts: Iterable[str]) -> frozenset[Permission]:
    """The scopes of a stored key. `streams`, which earlier versions gave to keys, allowed nothing and is left out."""
    return frozenset(known for known in PERMISSIONS if known in set(texts))


def user_principal(user_id: UUID, email: str, name: str) -> Principal:
    """A person as the actor of events and in `recorded_by`."""
    return Principal("user", ids.encode("usr", user_id.bytes), name or email, email)


def person_scope(org_id: UUID, principal: Principal, role: Role, limit: MandatoryFilter | None = None) -> Scope:
    """What a signed-in person may do, within the filter of the membership.

    A member's scope is filtered to that member's own activity too.
    """
    own = (own_activity(principal),) if role == "member" else ()
    mandatory = _all_of(*own, *_limits(limit))
    return Scope(org_id, principal, ROLES[role], mandatory, role, filter=limit.text if limit else "")


def own_activity(principal: Principal) -> Condition:
    """The events of a person.

    The filter is exact because the e-mail address of an account is ASCII in lower case without `*` (`names.email`) and
    an id has letters and digits only: neither is a wildcard, and no other account's address folds to the same text.
    """
    return Equals("user", (principal.email, principal.id))


def api_key_scope(
    org_id: UUID,
    key_id: UUID,
    name: str,
    allowed: frozenset[Permission],
    limit: MandatoryFilter | None = None,
    *,
    records_for_others: bool = False,
) -> Scope:
    """What a key may do, within its filter. It belongs to the organization, not to the person who created it."""
    principal = Principal("api_key", ids.encode("key", key_id.bytes), name, records_for_others=records_for_others)
    return Scope(org_id, principal, allowed, _all_of(*_limits(limit)), filter=limit.text if limit else "")


def preview_scope(scope: Scope, person: Principal, role: Role, limit: MandatoryFilter) -> Scope:
    """Reads, for the principal of `scope`, just what a person of this role would read within a filter."""
    would = person_scope(scope.org_id, person, role, limit)
    return replace(scope, permissions=frozenset({"events:read"}), mandatory=would.mandatory, filter=limit.text)


def _limits(limit: MandatoryFilter | None) -> tuple[Condition, ...]:
    return () if limit is None else (limit.condition,)


def _all_of(*conditions: Condition) -> Condition:
    return conditions[0] if len(conditions) == 1 else And(conditions)


def operator_scope(org_id: UUID, principal: Principal = OPERATOR) -> Scope:
    """Everything in one organization: for the operator's commands and for background work, never for a request."""
    return Scope(org_id, principal, _ALL)


def log_scope(org_id: UUID) -> Scope:
    """Anyone who reads the public log of an organization: no events, no permissions."""
    return Scope(org_id, Principal("api_key", "anybody", "anybody"), frozenset())


def narrowed(scope: Scope, permissions: frozenset[Permission]) -> Scope:
    """The scope without its other permissions, so that no request can use one that its endpoint does not declare."""
    return scope if scope.permissions <= permissions else replace(scope, permissions=scope.permissions & permissions)


def require(scope: Scope, *permissions: Permission) -> None:
    """Forbidden (`missing_permission`, with the first missing one) unless the scope holds all of `permissions`."""
    missing = [permission for permission in permissions if permission not in scope.permissions]
    if not missing:
        return
    if scope.principal.kind == "api_key":
        noun = "scope" if len(missing) == 1 else "scopes"
        detail = f"This API key does not have the {noun} {' and '.join(missing)}. Create a key that has all it needs."
    else:
        detail = f"Your role ({scope.role}) does not allow this ({', '.join(missing)}). Ask an owner or admin."
    raise Forbidden(detail, code="missing_permission", permission=missing[0])


def require_whole_trail(scope: Scope) -> None:
    """Forbidden (`whole_trail_only`) if the scope is filtered to a part of the trail."""
    if scope.is_filtered:
        raise Forbidden(
            f"This covers the whole audit log, but {visible_part(scope)}. Ask someone who sees all of it.",
            code="whole_trail_only",
        )


def visible_part(scope: Scope) -> str:
    """What the reader of a filtered scope sees, as a clause."""
    if scope.principal.kind == "api_key":
        return f"this API key reads only {scope.filter}"
    if not scope.filter:
        return "as a member you see only your own events"
    return f"you see only {'your own events of ' if scope.role == 'member' else ''}{scope.filter}"


def is_owner(scope: Scope) -> bool:
    """Whether an owner, or the operator, acts. A key never is one, whoever created it."""
    return scope.role == "owner" or scope.principal.kind == "system"


def require_person(scope: Scope, page: str) -> None:
    """Forbidden (`person_required`) if an API key acts; `page` is the path of the page where a person does it."""
    if scope.principal.kind == "api_key":
        raise Forbidden(
            "An API key cannot decide this. A person does it, signed in, on the page that `page` links to.",
            code="person_required",
            page=page,
        )


def require_ownership(scope: Scope) -> None:
    """Forbidden (`owner_only`) unless an owner, or the operator, acts."""
    if not is_owner(scope):
        raise Forbidden("Only an owner of the organization can do this. Ask one of them.", code="owner_only")
