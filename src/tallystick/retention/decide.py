"""Confirms and cancels requests: a shorter retention, a smaller plan, the release of a hold, intake rules."""

from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.decisions import Decision, cancel_decision, show_decision
from tallystick.access.organizations import RETENTION, confirm_retention
from tallystick.intake_rules.changes import INTAKE_RULES, confirm_rules
from tallystick.query.scope import Scope
from tallystick.retention.holds import RELEASE, confirm_release

KINDS = {kind.name: kind for kind in (RETENTION, RELEASE, INTAKE_RULES)}
CONFIRM = {
    RETENTION.name: confirm_retention,
    RELEASE.name: confirm_release,
    INTAKE_RULES.name: confirm_rules,
}


def confirm_request(
    connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE
) -> Decision:
    """Agree to a request as a second person, which makes the change. NotFound (`no_decision`); errors of its kind."""
    confirm = CONFIRM[show_decision(connection, scope, public_id, *KINDS).kind]
    return confirm(connection, scope, public_id, now=now, caller=caller)


def cancel_request(
    connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE
) -> Decision:
    """Cancel a request; idempotent. NotFound (`no_decision`), Conflict (`decision_over`)."""
    organizations.lock_row(connection, scope.org_id)
    decision = show_decision(connection, scope, public_id, *KINDS)
    return cancel_decision(connection, scope, KINDS[decision.kind], decision, now=now, caller=caller)
