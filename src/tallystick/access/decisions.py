"""Decisions: changes that take effect when enough people agree, such as an erasure or a shorter retention.

Only people decide. An API key counts for nobody, and a person once, whatever sessions, keys and roles they have. A
decision is pending until it is confirmed or cancelled, or until it expires after a week. Every function that changes
one expects the caller to hold the lock of the organization's row, so that of several outcomes one wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.role_holders import count_recent_owners, people_with_role
from tallystick.access.scopes import Role, require, require_person
from tallystick.access.tables import decisions, organizations
from tallystick.clock import DAY_US, rfc3339
from tallystick.errors import Conflict, Forbidden, NotFound
from tallystick.query.scope import OPERATOR, TALLYSTICK, Principal, Scope

PREFIX = "dec"
OPEN_DAYS = 7
MAX_NAME = 254

DecisionState = Literal["pending", "confirmed", "cancelled", "expired"]


@dataclass(frozen=True, slots=True)
class DecisionKind:
    """What is decided.

    People with one of `roles` decide, on the page at the path `page`. The audit actions are `audit_log.<action>` with
    `_requested`, `_confirmed`, `_cancelled` or `_expired`; their resource is the target, of the type `target_type`,
    whose public id begins with `target_prefix`. `always_two`: a second person is needed even where the organization
    has one owner; the operator may be that person.
    """

    name: str
    roles: frozenset[Role]
    page: str
    action: str
    target_type: str
    target_prefix: str
    always_two: bool = False

    @property
    def role_text(self) -> str:
        """Its roles in words: `owner or admin`."""
        return " or ".join(sorted(self.roles, reverse=True))


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. Times in µs since 1970; `proposal` is JSON as the kind has it.

    `first_by` is the first person who agreed, empty if nobody has: whoever requested it, unless that was an API key.
    `ended_by` confirmed or cancelled it.
    """

    decision_id: UUID
    kind: str
    target_id: UUID
    title: str
    proposal: str
    state: DecisionState
    requested_by: str
    requested_by_name: str
    requested_at: int
    expires_at: int
    first_by: str
    first_by_name: str
    first_at: int | None
    ended_by: str
    ended_by_name: str
    ended_at: int | None

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.decision_id.bytes)


def decides_alone(connection: Connection, scope: Scope, kind: DecisionKind, *, page: str, now: int) -> bool:
    """Whether whoever acts may make the change at once: the operator, or a person where nobody else is needed.

    Raises Forbidden: `person_required` for an API key, with the page where a person does it; `missing_permission` for
    a person whose role does not allow it any more.
    """
    if scope.principal.kind == "system":
        return True
    require_person(scope, page)
    _require_role(connection, scope, kind)
    return _people_needed(connection, scope.org_id, kind, now) == 1


def request_decision(
    connection: Connection,
    scope: Scope,
    kind: DecisionKind,
    target_id: UUID,
    *,
    title: str = "",
    proposal: str = "",
    changes: dict[str, Any] | None = None,
    now: int,
    caller: Caller = NOWHERE,
) -> Decision:
    """Request a decision; a person who does so has agreed to it. Conflict (`decision_pending`) if one is pending."""
    waiting = find_pending(connection, scope, kind, target_id)
    if waiting is not None and now < waiting.expires_at:
        raise Conflict(
            "This was requested already and waits for a second person. Confirm or cancel that request first.",
            code="decision_pending",
        )
    if waiting is not None:
        _expire(connection, scope.org_id, kind, waiting, now)
    by, name = scope.principal, scope.principal.label[:MAX_NAME]
    is_person = by.kind == "user"
    made = Decision(
        decision_id=ids.new_uuid(now),
        kind=kind.name,
        target_id=target_id,
        title=title[:MAX_NAME],
        proposal=proposal,
        state="pending",
        requested_by=by.id,
        requested_by_name=name,
        requested_at=now,
        expires_at=now + OPEN_DAYS * DAY_US,
        first_by=by.id if is_person else "",
        first_by_name=name if is_person else "",
        first_at=now if is_person else None,
        ended_by="",
        ended_by_name="",
        ended_at=None,
    )
    values = {field: getattr(made, field) for field in Decision.__slots__}
    connection.execute(insert(decisions).values(org_id=scope.org_id, **values))
    _record(connection, scope.org_id, kind, made, "requested", by=by, now=now, caller=caller, changes=changes)
    return made


def confirm_decision(
    connection: Connection, scope: Scope, kind: DecisionKind, decision: Decision, *, now: int, caller: Caller = NOWHERE
) -> Decision:
    """Agree to a decision; its state is `confirmed` then, or still `pending` if another person is needed.

    Roles and the number of owners are those of this moment: the agreement of a person who lost the role counts no
    longer. Raises Forbidden (`person_required`, `missing_permission`, `second_person_needed`), Conflict
    (`decision_over`).
    """
    who = scope.principal
    if who.id != OPERATOR.id:
        require_person(scope, kind.page)
        _require_role(connection, scope, kind)
    if decision.state != "pending" or now >= decision.expires_at:
        raise Conflict("This request is over and cannot be confirmed. Request it again.", code="decision_over")
    deciders = people_with_role(connection, scope.org_id, kind.roles)
    if needs_operator(connection, scope, kind):
        deciders |= {OPERATOR.id}
    elif who.id == OPERATOR.id:
        raise Forbidden(
            "Two people of the organization decide this, on its pages. The operator is the second only where it has "
            "one owner or admin.",
            code="second_person_needed",
        )
    first = decision.first_by if decision.first_by in deciders else ""
    if first == who.id:
        raise Forbidden(
            f"You have agreed to this already, by requesting or confirming it. Ask a second {kind.role_text}.",
            code="second_person_needed",
        )
    name = who.label[:MAX_NAME]
    if first or _people_needed(connection, scope.org_id, kind, now) == 1:
        values: dict[str, Any] = {"state": "confirmed", "ended_by": who.id, "ended_by_name": name, "ended_at": now}
    else:
        values = {"first_by": who.id, "first_by_name": name, "first_at": now}
    _update(connection, scope.org_id, decision, values)
    _record(connection, scope.org_id, kind, decision, "confirmed", by=who, now=now, caller=caller)
    return show_decision(connection, scope, decision.public_id)


def cancel_decision(
    connection: Connection, scope: Scope, kind: DecisionKind, decision: Decision, *, now: int, caller: Caller = NOWHERE
) -> Decision:
    """Cancel a pending decision; idempotent. Raises Conflict (`decision_over`) after another end."""
    require(scope, "admin")
    if decision.state == "cancelled":
        return decision
    if decision.state != "pending":
        raise Conflict(f"This request is {decision.state} and cannot be cancelled.", code="decision_over")
    who = scope.principal
    ended = {"state": "cancelled", "ended_by": who.id, "ended_by_name": who.label[:MAX_NAME], "ended_at": now}
    _update(connection, scope.org_id, decision, ended)
    _record(connection, scope.org_id, kind, decision, "cancelled", by=who, now=now, caller=caller)
    return show_decision(connection, scope, decision.public_id)


def are_decisions_late(connection: Connection, kinds: Sequence[DecisionKind], *, now: int) -> bool:
    """Whether `expire_decisions` would find any."""
    return connection.execute(select(decisions.c.decision_id).where(_late(kinds, now)).limit(1)).first() is not None


def expire_decisions(connection: Connection, kinds: Sequence[DecisionKind], *, now: int) -> list[tuple[UUID, Decision]]:
    """End the pending decisions of these kinds whose time is over: (organization, decision). Takes the locks itself."""
    by_name, late = {kind.name: kind for kind in kinds}, _late(kinds, now)
    found: list[tuple[UUID, Decision]] = []
    # In one order, so that two processes that do this at once do not wait for each other in a circle.
    org_ids = select(decisions.c.org_id).where(late).distinct().order_by(decisions.c.org_id)
    for org_id in connection.execute(org_ids).scalars().all():
        connection.execute(select(organizations.c.org_id).where(organizations.c.org_id == org_id).with_for_update())
        for row in connection.execute(select(decisions).where(decisions.c.org_id == org_id, late)).all():
            decision = _decision_of_row(row)
            _expire(connection, org_id, by_name[row.kind], decision, now)
            found.append((org_id, decision))
    return found


def find_pending(connection: Connection, scope: Scope, kind: DecisionKind, target_id: UUID) -> Decision | None:
    """The pending decision on a target, whether or not its time is over; None if there is none."""
    return _find(
        connection, scope, decisions.c.kind == kind.name, decisions.c.target_id == target_id,
        decisions.c.state == "pending",
    )  # fmt: skip


def show_decision(connection: Connection, scope: Scope, public_id: str, *kinds: str) -> Decision:
    """A decision in any state, of one of these kinds if any are given; NotFound (`no_decision`)."""
    require(scope, "admin")
    try:
        decision_id = ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        decision_id = None
    mine = decisions.c.decision_id == decision_id
    found = None if decision_id is None else _find(connection, scope, mine)
    if found is None or (kinds and found.kind not in kinds):
        raise NotFound("This request was not found in the organization.", code="no_decision")
    return found


def list_decisions(
    connection: Connection, scope: Scope, *, state: DecisionState | None = None, most: int = 1000
) -> list[Decision]:
    """The decisions of the organization, newest first."""
    require(scope, "admin")
    mine = [decisions.c.org_id == scope.org_id] + ([decisions.c.state == state] if state else [])
    newest = (decisions.c.requested_at.desc(), decisions.c.decision_id.desc())
    rows = connection.execute(select(decisions).where(*mine).order_by(*newest).limit(most))
    return [_decision_of_row(row) for row in rows]


def needs_operator(connection: Connection, scope: Scope, kind: DecisionKind) -> bool:
    """Whether the operator is the second who decides, because the organization has no two people who may."""
    return kind.always_two and len(people_with_role(connection, scope.org_id, kind.roles)) < 2


def _late(kinds: Sequence[DecisionKind], now: int) -> ColumnElement[bool]:
    named = decisions.c.kind.in_([kind.name for kind in kinds])
    return (decisions.c.state == "pending") & (decisions.c.expires_at <= now) & named


def _expire(connection: Connection, org_id: UUID, kind: DecisionKind, decision: Decision, now: int) -> None:
    _update(connection, org_id, decision, {"state": "expired", "ended_at": now})
    _record(connection, org_id, kind, decision, "expired", by=TALLYSTICK, now=now, caller=NOWHERE)


def _people_needed(connection: Connection, org_id: UUID, kind: DecisionKind, now: int) -> int:
    return 2 if kind.always_two or count_recent_owners(connection, org_id, now) >= 2 else 1


def _require_role(connection: Connection, scope: Scope, kind: DecisionKind) -> None:
    """Read in this transaction: the role of the session may have ended since the request began."""
    if scope.principal.id not in people_with_role(connection, scope.org_id, kind.roles):
        raise Forbidden(f"This takes the role {kind.role_text}. Ask somebody who has it.", code="missing_permission")


def _find(connection: Connection, scope: Scope, *conditions: ColumnElement[bool]) -> Decision | None:
    row = connection.execute(select(decisions).where(decisions.c.org_id == scope.org_id, *conditions)).first()
    return None if row is None else _decision_of_row(row)


def _update(connection: Connection, org_id: UUID, decision: Decision, values: dict[str, Any]) -> None:
    mine = (decisions.c.org_id == org_id) & (decisions.c.decision_id == decision.decision_id)
    connection.execute(update(decisions).where(mine).values(values))


def _decision_of_row(row: Row[Any]) -> Decision:
    return Decision(**{name: row._mapping[name] for name in Decision.__slots__})


def _record(
    connection: Connection,
    org_id: UUID,
    kind: DecisionKind,
    decision: Decision,
    what: str,
    *,
    by: Principal,
    now: int,
    caller: Caller,
    changes: dict[str, Any] | None = None,
) -> None:
    on = resource(kind.target_type, decision.target_id, kind.target_prefix, decision.title)
    metadata = {"decision": decision.public_id, "requested_by": decision.requested_by}
    if what == "requested":
        metadata["expires_at"] = rfc3339(decision.expires_at)
    record_own(
        connection, org_id, f"audit_log.{kind.action}_{what}", by=by, caller=caller, on=on, now=now, changes=changes,
        metadata=metadata,
    )  # fmt: skip
