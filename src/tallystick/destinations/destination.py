"""Destinations with their health, deliveries and attempts, read by whoever may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, select

from tallystick import ids
from tallystick.access.audit import resource
from tallystick.access.scopes import require, require_whole_trail
from tallystick.destinations.tables import deliveries, delivery_attempts, destinations
from tallystick.errors import NotFound
from tallystick.query.scope import Scope

PREFIX, DELIVERY_PREFIX = "dst", "dlv"
WAITING = "waiting"
MAX_LISTED = 100
_settings = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Destination:
    """A configured place that messages go to, and its health. `settings` are those that may be shown.

    `approval` is "waiting" or "approved" (by an owner) where messages leave the organization, otherwise empty.
    `revision` is another one after each change of the settings, secret ones too.
    `failures` counts failed attempts in a row; `waiting` and `given_up` count deliveries. Times in microseconds.
    """

    org_id: UUID
    destination_id: UUID
    kind: str
    name: str
    settings: Mapping[str, Any]
    enabled: bool
    state: str
    failures: int
    last_error: str
    last_success_at: int | None
    last_failure_at: int | None
    made_by: str
    made_at: int
    approval: str
    approved_by: str
    approved_at: int | None
    revision: str
    waiting: int
    given_up: int

    @property
    def shown_state(self) -> str:
        """The state in words of the API."""
        return "waiting_for_approval" if self.approval == WAITING else self.state

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.destination_id.bytes)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a delivery: when (microseconds), its outcome, the HTTP status if any, and how long it took."""

    at: int
    outcome: str
    status: int | None
    milliseconds: int
    problem: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one destination; times in microseconds."""

    delivery_id: UUID
    message_id: str
    state: str
    problem: str
    made_at: int
    next_at: int
    finished_at: int | None
    attempts: tuple[Attempt, ...]

    @property
    def public_id(self) -> str:
        return ids.encode(DELIVERY_PREFIX, self.delivery_id.bytes)


def is_destination(org_id: UUID, destination_id: UUID) -> ColumnElement[bool]:
    """The condition that finds one destination."""
    return (destinations.c.org_id == org_id) & (destinations.c.destination_id == destination_id)


def require_read(scope: Scope) -> None:
    """Raises Forbidden unless the scope reads the whole trail."""
    require(scope, "events:read" if scope.principal.kind == "user" else "alerts")
    require_whole_trail(scope)


def destination_resource(one: Destination) -> dict[str, str]:
    """The destination as the resource of an audit event."""
    return resource("destination", one.destination_id, PREFIX, one.name)


def list_destinations(connection: Connection, scope: Scope) -> list[Destination]:
    """All destinations of the organization, by name. Raises Forbidden."""
    require_read(scope)
    rows = connection.execute(
        select(destinations)
        .where(destinations.c.org_id == scope.org_id)
        .order_by(destinations.c.name, destinations.c.destination_id)
    ).all()
    numbers = _count_deliveries(connection, scope.org_id)
    return [_read(row, numbers) for row in rows]


def show(connection: Connection, scope: Scope, public_id: str) -> Destination:
    """One destination. Raises NotFound (`no_such_destination`), also for one of another organization, or Forbidden."""
    require_read(scope)
    row = connection.execute(select(destinations).where(is_destination(scope.org_id, _parse_id(public_id)))).first()
    if row is None:
        raise _not_found(public_id)
    return _read(row, _count_deliveries(connection, scope.org_id))


def destination_ids(connection: Connection, scope: Scope, public_ids: Sequence[str]) -> list[UUID]:
    """The row ids of these destinations. Raises NotFound (`no_such_destination`), also for another organization's."""
    wanted = [_parse_id(public_id) for public_id in public_ids]
    mine = select(destinations.c.destination_id).where(destinations.c.org_id == scope.org_id)
    there = set(connection.execute(mine).scalars()) if wanted else set()
    for one, public_id in zip(wanted, public_ids, strict=True):
        if one not in there:
            raise _not_found(public_id)
    return wanted


def list_deliveries(connection: Connection, one: Destination) -> list[Delivery]:
    """The last hundred deliveries to a destination, newest first, each with its attempts."""
    rows = connection.execute(
        select(deliveries)
        .where(deliveries.c.org_id == one.org_id, deliveries.c.destination_id == one.destination_id)
        .order_by(deliveries.c.delivery_id.desc())
        .limit(MAX_LISTED)
    ).all()
    tries: dict[UUID, list[Attempt]] = {}
    for row in connection.execute(
        select(delivery_attempts)
        .where(delivery_attempts.c.org_id == one.org_id)
        .where(delivery_attempts.c.delivery_id.in_([row.delivery_id for row in rows]))
        .order_by(delivery_attempts.c.attempt)
    ):
        tries.setdefault(row.delivery_id, []).append(
            Attempt(row.at, row.outcome, row.status, row.milliseconds, row.problem)
        )
    return [
        Delivery(
            row.delivery_id,
            row.message_id,
            row.state,
            row.problem,
            row.made_at,
            row.next_at,
            row.finished_at,
            tuple(tries.get(row.delivery_id, ())),
        )
        for row in rows
    ]


def _count_deliveries(connection: Connection, org_id: UUID) -> dict[tuple[UUID, str], int]:
    """The number of deliveries by destination and state, without those that were sent."""
    rows = connection.execute(
        select(deliveries.c.destination_id, deliveries.c.state, func.count())
        .where(deliveries.c.org_id == org_id, deliveries.c.state != "sent")
        .group_by(deliveries.c.destination_id, deliveries.c.state)
    )
    return {(row[0], row[1]): int(row[2]) for row in rows}


def _parse_id(public_id: str) -> UUID:
    try:
        return ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _not_found(public_id) from None


def _not_found(public_id: str) -> NotFound:
    return NotFound(f"Destination {public_id[:60]!r} not found.", code="no_such_destination")


def _read(row: Row[Any], numbers: Mapping[tuple[UUID, str], int]) -> Destination:
    return Destination(
        row.org_id,
        row.destination_id,
        row.kind,
        row.name,
        _settings(row.settings),
        row.enabled,
        row.state,
        row.failures,
        row.last_error,
        row.last_success_at,
        row.last_failure_at,
        row.made_by,
        row.made_at,
        row.approval,
        row.approved_by,
        row.approved_at,
        sha256(row.sealed).hexdigest()[:32],
        numbers.get((row.destination_id, "waiting"), 0),
        numbers.get((row.destination_id, "given_up"), 0),
    )
