"""Health of a destination: failures in a row, its state, and who is told when the state changes."""

from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select, update

from tallystick.access.audit import NOWHERE, record_own, resource
from tallystick.access.tables import memberships, people
from tallystick.destinations import email_queue
from tallystick.destinations.delivery_queue import DeliveryResult
from tallystick.destinations.destination import PREFIX, is_destination
from tallystick.destinations.email_templates import EmailTemplates
from tallystick.destinations.tables import deliveries, destinations
from tallystick.query.scope import TALLYSTICK

FAILURES_UNTIL_FAILING = 5  # in a row
MAX_ERROR = 300
TEMPLATES = EmailTemplates("tallystick.destinations")


def record_health(
    connection: Connection, destination: Row[Any], result: DeliveryResult, now: int, *, final: bool
) -> None:
    """Updates the health after an attempt, `final` if the delivery was delivered or given up with it.

    Only a change of the state is recorded as an event, and sent to the owners, not each attempt.
    """
    if result.problem:
        _record_failure(connection, destination, result, now, final=final)
    else:
        _record_success(connection, destination, now)


def _record_success(connection: Connection, destination: Row[Any], now: int) -> None:
    mine = is_destination(destination.org_id, destination.destination_id)
    values = {"state": "ok", "failures": 0, "last_error": "", "last_success_at": now}
    connection.execute(update(destinations).where(mine, destinations.c.enabled).values(values))
    if destination.state == "failing":
        _record_event(connection, destination, "audit_log.destination_recovered", now)
    if destination.failures:
        # It works again: what was postponed is due now. After a single failure that message itself keeps its pause,
        # since the receiver may refuse it alone.
        waiting = and_(
            deliveries.c.org_id == destination.org_id,
            deliveries.c.destination_id == destination.destination_id,
            deliveries.c.state == "waiting",
            or_(deliveries.c.attempts == 0, destination.failures > 1),
        )
        connection.execute(update(deliveries).where(waiting).values(next_at=now))


def _record_failure(
    connection: Connection, destination: Row[Any], result: DeliveryResult, now: int, *, final: bool
) -> None:
    mine = is_destination(destination.org_id, destination.destination_id)
    failures = destination.failures + 1
    error = result.problem[:MAX_ERROR]
    values: dict[str, Any] = {"failures": failures, "last_error": error, "last_failure_at": now}
    begins_to_fail = destination.state == "ok" and (failures >= FAILURES_UNTIL_FAILING or final)
    if result.gone:
        values |= {"enabled": False, "state": "disabled"}
    elif begins_to_fail:
        values["state"] = "failing"
    connection.execute(update(destinations).where(mine).values(values))
    if begins_to_fail or result.gone:
        metadata = {"error": error, "disabled": result.gone}
        _record_event(connection, destination, "audit_log.destination_failed", now, metadata)
        _email_owners(connection, destination, result, now)


def _record_event(
    connection: Connection, destination: Row[Any], action: str, now: int, metadata: dict[str, Any] | None = None
) -> None:
    on = resource("destination", destination.destination_id, PREFIX, destination.name)
    record_own(connection, destination.org_id, action, by=TALLYSTICK, caller=NOWHERE, on=on, now=now, metadata=metadata)


def _email_owners(connection: Connection, destination: Row[Any], result: DeliveryResult, now: int) -> None:
    """Tells the owners that alerts do not arrive."""
    email = TEMPLATES.render(
        "destination_failed", name=destination.name, problem=result.problem, switched_off=result.gone
    )
    owners = (
        select(people.c.email)
        .join(memberships, memberships.c.user_id == people.c.user_id)
        .where(memberships.c.org_id == destination.org_id, memberships.c.role == "owner")
        .where(memberships.c.disabled_at.is_(None), people.c.disabled_at.is_(None))
    )
    for address in connection.execute(owners).scalars():
        email_queue.enqueue(connection, destination.org_id, address, email, now=now)
