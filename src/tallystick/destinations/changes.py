"""Creating, changing, testing and deleting destinations. Each change is an event in the trail, without a secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import names, organizations
from tallystick.access.audit import NOWHERE, Caller, differences, record_own_for
from tallystick.access.scopes import require
from tallystick.access.transactions import ScopedTransactions
from tallystick.database.deletion import delete_some
from tallystick.destinations import message_queue
from tallystick.destinations.address_guard import Guard
from tallystick.destinations.approval import approval_values, require_approval
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.destination import (
    DELIVERY_PREFIX,
    PREFIX,
    WAITING,
    Destination,
    destination_resource,
    is_destination,
    show,
)
from tallystick.destinations.kinds.kind import CheckedSettings, DestinationKind, SettingsCheck, invalid_settings
from tallystick.destinations.kinds.registry import find_kind, kind_names, kind_of
from tallystick.destinations.secrets import (
    DestinationSecrets,
    create_secret,
    open_secrets,
    rotate_secret,
    seal_secrets,
)
from tallystick.destinations.tables import deliveries, delivery_attempts, destinations
from tallystick.errors import BadRequest, Conflict, NotFound
from tallystick.query.scope import Scope

MAX_DESTINATIONS = 50
REDACTED = {"before": "[redacted]", "after": "[redacted]"}


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A destination and its new signing secret, which is shown this once; None where the kind does not sign."""

    destination: Destination
    secret: str | None


def create(
    connection: Connection,
    scope: Scope,
    context: DestinationContext,
    kind_name: str,
    name: str,
    settings: Mapping[str, Any],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> NewSecret:
    """Creates a destination. One outside the organization waits for an owner's approval, unless an owner creates it.

    Raises BadRequest (`bad_destination`), Conflict (`too_many_destinations`), Forbidden."""
    require(scope, "alerts")
    kind = find_kind(kind_name)
    if kind is None:
        raise invalid("kind", f"kind must be one of {', '.join(kind_names())}.")
    checked = _check_settings(connection, scope, context.guard, kind, settings)
    organizations.lock_row(connection, scope.org_id)
    number = select(func.count()).select_from(destinations).where(destinations.c.org_id == scope.org_id)
    if connection.execute(number).scalar_one() >= MAX_DESTINATIONS:
        detail = f"You already have {MAX_DESTINATIONS} destinations, the maximum. Delete some first."
        raise Conflict(detail, code="too_many_destinations")
    destination_id = ids.new_uuid(now)
    if kind.signs:
        checked.secrets.secrets = [create_secret()]
    connection.execute(
        insert(destinations).values(
            org_id=scope.org_id,
            destination_id=destination_id,
            kind=kind.name,
            name=_check_name(name),
            settings=msgspec.json.encode(checked.shown).decode(),
            sealed=seal_secrets(context.seal, scope.org_id, destination_id, checked.secrets),
            enabled=True,
            state="ok",
            failures=0,
            last_error="",
            made_by=scope.principal.label[:254],
            made_at=now,
            **approval_values(scope, kind.outside(checked), frozenset(), now),
        )
    )
    created = show(connection, scope, ids.encode(PREFIX, destination_id.bytes))
    record_own_for(
        connection,
        scope,
        "audit_log.destination_created",
        destination_resource(created),
        now=now,
        caller=caller,
        metadata=_description(created),
    )
    return NewSecret(created, checked.secrets.secrets[0].key if kind.signs else None)


def change(
    connection: Connection,
    scope: Scope,
    context: DestinationContext,
    public_id: str,
    given: Mapping[str, Any],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Destination:
    """Changes `name`, `enabled` or `settings`; settings replace all of the earlier ones.

    Waiting messages use the new settings; enabling a destination sends them at once. Settings that lead to
    another place outside the organization wait for an owner's approval. Raises BadRequest, NotFound, Forbidden.
    """
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    before = show(connection, scope, public_id)
    mine = is_destination(before.org_id, before.destination_id)
    values: dict[str, Any] = {}
    if "name" in given:
        values["name"] = _check_name(given["name"])
    if "settings" in given:
        kind, earlier = kind_of(before.kind), _read_secrets(connection, context, before)
        checked = _check_settings(connection, scope, context.guard, kind, given["settings"])
        approved = kind.outside(CheckedSettings(dict(before.settings), earlier))
        values |= approval_values(scope, kind.outside(checked), approved if before.approval != WAITING else set(), now)
        checked.secrets.secrets = earlier.secrets
        values["settings"] = msgspec.json.encode(checked.shown).decode()
        values["sealed"] = seal_secrets(context.seal, before.org_id, before.destination_id, checked.secrets)
    if given.get("enabled", before.enabled) != before.enabled:
        values |= {"enabled": given["enabled"], "state": "ok" if given["enabled"] else "disabled", "failures": 0}
    if values:
        connection.execute(update(destinations).where(mine).values(values))
    if given.get("enabled"):
        _send_waiting_now(connection, before, now)
    after = show(connection, scope, public_id)
    changes = differences(_description(before), _description(after))
    if "sealed" in values and not changes:
        changes = {"settings": REDACTED}
    if changes:
        record_own_for(
            connection,
            scope,
            "audit_log.destination_updated",
            destination_resource(after),
            now=now,
            caller=caller,
            changes=changes,
        )
    return after


def rotate(
    connection: Connection,
    scope: Scope,
    context: DestinationContext,
    public_id: str,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> NewSecret:
    """Creates a new signing secret; the previous one keeps signing for a day. Raises Conflict (`no_secret`)."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    one = show(connection, scope, public_id)
    if not kind_of(one.kind).signs:
        raise Conflict(f"A destination of kind {one.kind} has no signing secret.", code="no_secret")
    secrets = rotate_secret(_read_secrets(connection, context, one), now)
    sealed = seal_secrets(context.seal, one.org_id, one.destination_id, secrets)
    mine = is_destination(one.org_id, one.destination_id)
    connection.execute(update(destinations).where(mine).values(sealed=sealed))
    record_own_for(
        connection,
        scope,
        "audit_log.destination_updated",
        destination_resource(one),
        now=now,
        caller=caller,
        changes={"secret": REDACTED},
    )
    return NewSecret(one, secrets.secrets[0].key)


def remove(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Deletes a destination with its deliveries. Raises NotFound, Forbidden."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    one = show(connection, scope, public_id)
    this = is_destination(one.org_id, one.destination_id)
    # Before its deliveries, as everywhere: the other order could deadlock with an attempt that is being recorded.
    connection.execute(select(destinations.c.destination_id).where(this).with_for_update())
    record_own_for(
        connection,
        scope,
        "audit_log.destination_deleted",
        destination_resource(one),
        now=now,
        caller=caller,
        metadata=_description(one),
    )
    mine = (deliveries.c.org_id == one.org_id) & (deliveries.c.destination_id == one.destination_id)
    attempts = (delivery_attempts.c.org_id == one.org_id) & delivery_attempts.c.delivery_id.in_(
        select(deliveries.c.delivery_id).where(mine)
    )
    connection.execute(delete(delivery_attempts).where(attempts))
    connection.execute(delete(deliveries).where(mine))
    connection.execute(delete(destinations).where(this))


async def drop_deliveries(transactions: ScopedTransactions, public_id: str) -> None:
    """Deletes the finished deliveries of a destination in short transactions; call it before `remove`.

    There may be a month of them, and while one transaction deletes them nothing can be recorded on SQLite.
    """
    while await transactions.write(_drop_part, public_id):
        pass


def _drop_part(connection: Connection, scope: Scope, public_id: str) -> bool:
    require(scope, "alerts")
    one = show(connection, scope, public_id)
    mine = (deliveries.c.org_id == one.org_id) & (deliveries.c.destination_id == one.destination_id)
    finished = select(deliveries.c.delivery_id).where(mine, deliveries.c.finished_at.is_not(None))
    of_finished = (delivery_attempts.c.org_id == one.org_id) & delivery_attempts.c.delivery_id.in_(finished)
    # The attempts first: without its delivery, nothing tells of which destination one was.
    return delete_some(connection, delivery_attempts, of_finished) or delete_some(
        connection, deliveries, mine & deliveries.c.finished_at.is_not(None)
    )


def send_test(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> str:
    """Sends a test message; returns the id of its delivery.

    Raises Conflict (`destination_off`, `waiting_for_approval`), NotFound.
    """
    require(scope, "alerts")
    one = show(connection, scope, public_id)
    require_approval(one)
    if not one.enabled:
        raise Conflict("This destination is off. Turn it on first.", code="destination_off")
    requested_by = scope.principal.label
    message = kind_of(one.kind).test_message(
        one.name, one.public_id, requested_by, message_id=f"test_{ids.new_uuid(now).hex}", now=now
    )
    delivery_id = message_queue.enqueue(connection, one.org_id, one.destination_id, message, now=now)
    record_own_for(connection, scope, "audit_log.destination_tested", destination_resource(one), now=now, caller=caller)
    return ids.encode(DELIVERY_PREFIX, delivery_id.bytes) if delivery_id else ""


def retry(
    connection: Connection, scope: Scope, public_id: str, delivery: str, *, now: int, caller: Caller = NOWHERE
) -> None:
    """Sends a delivery again that was given up, or at once if it waits.

    Raises NotFound (`no_such_delivery`), Conflict (`waiting_for_approval`).
    """
    require(scope, "alerts")
    one = show(connection, scope, public_id)
    require_approval(one)
    try:
        delivery_id = ids.parse_uuid(DELIVERY_PREFIX, delivery)
    except ValueError:
        delivery_id = UUID(int=0)
    again = (
        update(deliveries)
        .where(deliveries.c.org_id == one.org_id, deliveries.c.destination_id == one.destination_id)
        .where(deliveries.c.delivery_id == delivery_id, deliveries.c.message != "")
        .values(state="waiting", attempts=0, made_at=now, next_at=now, finished_at=None)
    )
    if not connection.execute(again).rowcount:
        raise NotFound("Delivery not found, or it cannot be sent again.", code="no_such_delivery")
    record_own_for(
        connection,
        scope,
        "audit_log.destination_tested",
        destination_resource(one),
        now=now,
        caller=caller,
        metadata={"again": delivery},
    )


def invalid(field: str, detail: str) -> BadRequest:
    """A destination that cannot be created or changed as requested."""
    return BadRequest(detail, code="bad_destination", field=field)


def _check_settings(
    connection: Connection, scope: Scope, guard: Guard, kind: DestinationKind[Any], settings: Mapping[str, Any]
) -> CheckedSettings:
    known = [field.name for field in kind.fields]
    if unknown := sorted(set(settings) - set(known)):
        raise invalid_settings(
            f"A destination of kind {kind.name} does not take {unknown[0][:60]!r}, only {', '.join(known)}."
        )
    return kind.check(SettingsCheck(connection, scope, guard), settings)


def _read_secrets(connection: Connection, context: DestinationContext, one: Destination) -> DestinationSecrets:
    mine = is_destination(one.org_id, one.destination_id)
    sealed = connection.execute(select(destinations.c.sealed).where(mine)).scalar_one()
    return open_secrets(context.seal, one.org_id, one.destination_id, sealed)


def _send_waiting_now(connection: Connection, one: Destination, now: int) -> None:
    waiting = (deliveries.c.org_id == one.org_id) & (deliveries.c.destination_id == one.destination_id)
    connection.execute(update(deliveries).where(waiting, deliveries.c.state == "waiting").values(next_at=now))


def _check_name(text: object) -> str:
    try:
        return names.name(str(text))
    except BadRequest as problem:
        raise invalid("name", problem.detail) from None


def _description(one: Destination) -> dict[str, Any]:
    shown = {"name": one.name, "kind": one.kind, "settings": dict(one.settings), "enabled": one.enabled}
    return shown | ({"approval": one.approval} if one.approval else {})
