"""Organizations: their names, plans, and retention."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from tallystick import ids
from tallystick.access import names
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.current_scope import require_owner
from tallystick.access.tables import organizations
from tallystick.clock import DAY_US
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.query.scope import OPERATOR, Principal, Scope

Plan = Literal["free", "pro", "enterprise"]

# Days that events are kept on each plan, unless the operator says otherwise.
PLANS: Mapping[Plan, int] = {"free": 7, "pro": 90, "enterprise": 365}
MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization; `zone` is its IANA time zone, `created_at` in microseconds."""

    org_id: UUID
    slug: str
    name: str
    plan: Plan
    retention_days: int
    zone: str
    created_at: int

    @property
    def public_id(self) -> str:
        return ids.encode("org", self.org_id.bytes)


def create(
    connection: Connection,
    slug: str,
    name: str = "",
    plan: str = "enterprise",
    retention_days: int | None = None,
    *,
    now: int,
    by: Principal = OPERATOR,
    caller: Caller = NOWHERE,
) -> Organization:
    """Create an organization, named by its slug if no name is given. The caller creates its log in the same
    transaction.

    Raises BadRequest for a bad name, plan or number of days, Conflict (`slug_taken`).
    """
    kept_plan = _parse_plan(plan)
    days = PLANS[kept_plan] if retention_days is None else _parse_days(retention_days)
    made = Organization(ids.new_uuid(now), names.slug(slug), names.name(name or slug), kept_plan, days, "UTC", now)
    if connection.execute(select(organizations.c.slug).where(organizations.c.slug == slug)).first() is not None:
        raise _slug_taken(slug)
    try:
        connection.execute(
            insert(organizations).values(
                org_id=made.org_id, slug=made.slug, name=made.name, plan=made.plan,
                retention_days=made.retention_days, zone=made.zone, created_at=now,
            )
        )  # fmt: skip
    except IntegrityError:
        raise _slug_taken(slug) from None
    record_own(
        connection, made.org_id, "organization.created",
        by=by, caller=caller, now=now, on=_resource(made),
        changes={"slug": made.slug, "plan": made.plan, "retention_days": made.retention_days},
    )  # fmt: skip
    return made


def exists_any(connection: Connection) -> bool:
    """Whether any organization exists."""
    return connection.execute(select(organizations.c.org_id).limit(1)).first() is not None


def list_all(connection: Connection) -> list[Organization]:
    """Every organization, by slug: for the operator and for background work."""
    return [
        _organization_of_row(row) for row in connection.execute(select(organizations).order_by(organizations.c.slug))
    ]


def by_slug(connection: Connection, slug: str) -> Organization:
    """The organization with that slug; NotFound (`no_organization`)."""
    row = connection.execute(select(organizations).where(organizations.c.slug == slug)).first()
    if row is None:
        raise NotFound(
            f"Organization {slug!r} not found. List organizations with `tallystick org list`.", code="no_organization"
        )
    return _organization_of_row(row)


def of_scope(connection: Connection, scope: Scope) -> Organization:
    """The scope's own organization."""
    row = connection.execute(select(organizations).where(organizations.c.org_id == scope.org_id)).first()
    if row is None:
        raise NotFound("The organization no longer exists. Sign in again.", code="no_organization")
    return _organization_of_row(row)


def retention_days(connection: Connection, org_id: UUID) -> int:
    """Retention of an organization in days, as set now."""
    statement = select(organizations.c.retention_days).where(organizations.c.org_id == org_id)
    days: int = connection.execute(statement).scalar_one()
    return days


def effective_retention_days(connection: Connection, org_id: UUID, now: int) -> int:
    """Days that events are really kept: the longer of the old and the new retention for a day after a change."""
    row = connection.execute(
        select(organizations.c.retention_days, organizations.c.longer_days, organizations.c.longer_until).where(
            organizations.c.org_id == org_id
        )
    ).one()
    days: int = row.retention_days
    return max(days, row.longer_days) if row.longer_until is not None and row.longer_until > now else days


def previous_retention_until(connection: Connection, org_id: UUID, now: int) -> int | None:
    """When the retention before a change ends to apply (microseconds); None if no change is younger than a day."""
    statement = select(organizations.c.longer_until).where(organizations.c.org_id == org_id)
    until: int | None = connection.execute(statement).scalar_one()
    return until if until is not None and until > now else None


def lock_row(connection: Connection, org_id: UUID) -> None:
    """Lock the organization's row until this transaction ends."""
    connection.execute(select(organizations.c.org_id).where(organizations.c.org_id == org_id).with_for_update())


def resolve_retention(
    connection: Connection, scope: Scope, days: int | None = None, plan: str | None = None
) -> tuple[Plan, int]:
    """The plan and days that `set_retention` would set; changes nothing.

    An owner may set what the plan gives, on enterprise that or more, and may move to a smaller plan. Everything else is
    the operator's. Raises Forbidden (`owner_only`, `plan_ends`), BadRequest (`bad_plan`, `bad_retention`).
    """
    require_owner(connection, scope)
    if plan is None and days is None:
        raise BadRequest("Give a plan or a number of days.", code="bad_retention", field="retention_days")
    now = of_scope(connection, scope)
    wanted = now.plan if plan is None else _parse_plan(plan)
    number = PLANS[wanted] if days is None else _parse_days(days)
    if scope.principal.kind == "system" or (wanted, number) == (now.plan, now.retention_days):
        return wanted, number
    gives = PLANS[wanted]
    if gives > PLANS[now.plan]:
        raise Forbidden(
            f"The {now.plan} plan keeps events for up to {PLANS[now.plan]} days. "
            "Contact support for extended retention.",
            code="plan_ends",
        )
    if number != gives and not (wanted == "enterprise" and number > gives):
        more = " or more" if wanted == "enterprise" else ""
        raise Forbidden(
            f"The {wanted} plan keeps events for {gives} days{more}. Contact support for extended retention.",
            code="plan_ends",
        )
    return wanted, number


def set_retention(
    connection: Connection,
    scope: Scope,
    days: int | None = None,
    *,
    plan: str | None = None,
    now: int,
    caller: Caller = NOWHERE,
) -> Organization:
    """Set the retention to `days` (1 to 36,500), or to the plan's; `chosen` says who may set what.

    Events that become too old by it are deleted a day later, so that a mistake can be undone.
    """
    require_owner(connection, scope)
    lock_row(connection, scope.org_id)
    new_plan, new_days = resolve_retention(connection, scope, days, plan)
    before = of_scope(connection, scope)
    if (before.plan, before.retention_days) == (new_plan, new_days):
        return before
    values: dict[str, Any] = {"plan": new_plan, "retention_days": new_days}
    if before.retention_days != new_days:
        values |= {"longer_days": effective_retention_days(connection, scope.org_id, now), "longer_until": now + DAY_US}
    connection.execute(update(organizations).where(organizations.c.org_id == scope.org_id).values(values))
    # The days are said even where they stay: whoever verifies the log reads from here how many were in force.
    changes: dict[str, Any] = {"retention_days": {"before": before.retention_days, "after": new_days}}
    if before.plan != new_plan:
        changes["plan"] = {"before": before.plan, "after": new_plan}
    record_own(
        connection, scope.org_id, "audit_log.retention_changed",
        by=scope.principal, caller=caller, now=now, on=_resource(before), changes=changes,
    )  # fmt: skip
    return of_scope(connection, scope)


def _resource(organization: Organization) -> dict[str, str]:
    return resource("organization", organization.org_id, "org", organization.name)


def _organization_of_row(row: Row[Any]) -> Organization:
    return Organization(**{name: row._mapping[name] for name in Organization.__slots__})


def _parse_plan(text: str) -> Plan:
    for plan in PLANS:
        if text == plan:
            return plan
    raise BadRequest(f"Unknown plan {text!r}. Choose one of {', '.join(PLANS)}.", code="bad_plan", field="plan")


def _parse_days(days: int) -> int:
    if not 1 <= days <= MOST_DAYS:
        raise BadRequest(f"Choose 1 to {MOST_DAYS} days.", code="bad_retention", field="retention_days")
    return days


def _slug_taken(slug: str) -> Conflict:
    return Conflict(f"An organization {slug!r} already exists. Choose another short name.", code="slug_taken")
