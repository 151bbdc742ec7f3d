"""Organizations: their names and plans, and how long their events are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from tallystick import ids
from tallystick.access import names
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.current_scope import require_owner
from tallystick.access.decisions import (
    Decision,
    DecisionKind,
    cancel_decision,
    confirm_decision,
    decides_alone,
    find_pending,
    request_decision,
    show_decision,
)
from tallystick.access.scopes import require, require_person
from tallystick.access.tables import organizations
from tallystick.clock import DAY_US
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.query.scope import OPERATOR, Principal, Scope

Plan = Literal["free", "pro", "enterprise"]

# Days that events are kept on each plan, unless the operator says otherwise.
PLANS: Mapping[Plan, int] = {"free": 7, "pro": 90, "enterprise": 365}
MOST_DAYS = 36_500
# A shorter retention or a smaller plan.
RETENTION = DecisionKind("retention", frozenset({"owner"}), "/retention", "retention_change", "organization", "org")


class RetentionProposal(msgspec.Struct, frozen=True):
    """Plan and days that a decision would set, and those in force when it was requested."""

    plan: str
    days: int
    plan_before: str
    days_before: int


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

    def is_longer_than(self, plan: Plan, days: int) -> bool:
        """Whether its plan is larger than this one, or its retention longer."""
        return self.retention_days > days or PLANS[self.plan] > PLANS[plan]


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
    now = of_scope(connection, scope)
    wanted, number = _parse_retention(now, days, plan)
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
    """Set the retention to `days` (1 to 36,500), or to the plan's; `resolve_retention` says who may set what.

    Fewer days or a smaller plan take a person, and where there are two owners a second one: then this requests a
    decision, and the organization stays as it is. Events that become too old are deleted a day later, so that a
    mistake can be undone. Raises also Forbidden (`person_required`), Conflict (`decision_pending`).
    """
    require(scope, "admin")
    lock_row(connection, scope.org_id)
    before = of_scope(connection, scope)
    shortens = before.is_longer_than(*_parse_retention(before, days, plan))
    if shortens:  # before it is asked whether a key is an owner's: no key decides this
        query = urlencode({"look": "change", **({"plan": plan} if plan else {}), **({"days": days} if days else {})})
        require_person(scope, f"{RETENTION.page}?{query}#change")
    new_plan, new_days = resolve_retention(connection, scope, days, plan)
    if (before.plan, before.retention_days) == (new_plan, new_days):
        return before
    if not shortens or decides_alone(connection, scope, RETENTION, page=RETENTION.page, now=now):
        return _write_retention(connection, scope, before, new_plan, new_days, now, caller)
    proposal = RetentionProposal(new_plan, new_days, before.plan, before.retention_days)
    request_decision(
        connection, scope, RETENTION, scope.org_id,
        title=before.name, proposal=msgspec.json.encode(proposal).decode(),
        changes=_retention_changes(before, new_plan, new_days), now=now, caller=caller,
    )  # fmt: skip
    return before


def confirm_retention(
    connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE
) -> Decision:
    """Confirm a requested retention as another owner, and set it. Errors of `confirm_decision`; NotFound
    (`no_decision`), Conflict (`decision_outdated`) if the retention has changed since the request."""
    lock_row(connection, scope.org_id)
    decision = show_decision(connection, scope, public_id, RETENTION.name)
    wanted = retention_proposal(decision)
    before = of_scope(connection, scope)
    confirmed = confirm_decision(connection, scope, RETENTION, decision, now=now, caller=caller)
    if (before.plan, before.retention_days) != (wanted.plan_before, wanted.days_before):
        raise Conflict(
            "The retention has changed since this was requested. Request it again.", code="decision_outdated"
        )
    if confirmed.state == "confirmed":
        _write_retention(connection, scope, before, _parse_plan(wanted.plan), wanted.days, now, caller)
    return confirmed


def retention_proposal(decision: Decision) -> RetentionProposal:
    """What a decision of the kind RETENTION would set."""
    return msgspec.json.decode(decision.proposal, type=RetentionProposal)


def _write_retention(
    connection: Connection, scope: Scope, before: Organization, plan: Plan, days: int, now: int, caller: Caller
) -> Organization:
    values: dict[str, Any] = {"plan": plan, "retention_days": days}
    if before.retention_days != days:
        values |= {"longer_days": effective_retention_days(connection, scope.org_id, now), "longer_until": now + DAY_US}
    connection.execute(update(organizations).where(organizations.c.org_id == scope.org_id).values(values))
    record_own(
        connection, scope.org_id, "audit_log.retention_changed",
        by=scope.principal, caller=caller, now=now, on=_resource(before),
        changes=_retention_changes(before, plan, days),
    )  # fmt: skip
    outdated = find_pending(connection, scope, RETENTION, scope.org_id)
    if outdated is not None:
        cancel_decision(connection, scope, RETENTION, outdated, now=now, caller=caller)
    return of_scope(connection, scope)


def _retention_changes(before: Organization, plan: Plan, days: int) -> dict[str, Any]:
    """The days are said even where they stay: whoever verifies the log reads from here how many were in force."""
    changes: dict[str, Any] = {"retention_days": {"before": before.retention_days, "after": days}}
    if before.plan != plan:
        changes["plan"] = {"before": before.plan, "after": plan}
    return changes


def _resource(organization: Organization) -> dict[str, str]:
    return resource("organization", organization.org_id, "org", organization.name)


def _organization_of_row(row: Row[Any]) -> Organization:
    return Organization(**{name: row._mapping[name] for name in Organization.__slots__})


def _parse_retention(now: Organization, days: int | None, plan: str | None) -> tuple[Plan, int]:
    if plan is None and days is None:
        raise BadRequest("Give a plan or a number of days.", code="bad_retention", field="retention_days")
    wanted = now.plan if plan is None else _parse_plan(plan)
    return wanted, PLANS[wanted] if days is None else _parse_days(days)


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
