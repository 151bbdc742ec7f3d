"""Alerts: listing, reading and acknowledging them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, case, select, tuple_, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller, record_own
from tallystick.access.scopes import require
from tallystick.alerts.rule import PREFIX as RULE_PREFIX
from tallystick.alerts.rule import require_read
from tallystick.alerts.tables import alerts
from tallystick.errors import BadRequest, NotFound
from tallystick.events.catalogue import SEVERITIES
from tallystick.query.scope import Scope

PREFIX = "alr"
STATES = ("open", "acknowledged")
_SEVERITY = case({name: rank for rank, name in enumerate(SEVERITIES)}, value=alerts.c.severity, else_=0)
MOST = 1000
MOST_NOTE = 2000
_facts = msgspec.json.Decoder(list[tuple[str, str]]).decode
_search = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(frozen=True, slots=True)
class Alert:
    """A firing of a rule, as stored when it happened.

    `number` events belong to it; `event_ids` holds some of them (16 bytes each), `search` the query parameters that
    find all. `more` counts events of the group within the cool-down. `at` is the time of the event that completed it,
    `fired_at` when that was noticed. Times in microseconds.
    """

    org_id: UUID
    alert_id: UUID
    rule_id: UUID
    rule_name: str
    detection: str
    severity: str
    group: str
    sentence: str
    facts: list[tuple[str, str]]
    search: Mapping[str, str]
    number: int
    first_index: int | None
    last_index: int | None
    event_ids: tuple[bytes, ...]
    at: int
    first_at: int
    last_at: int
    fired_at: int
    more: int
    state: str
    muted: bool
    acknowledged_by: str
    note: str
    acknowledged_at: int | None

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.alert_id.bytes)

    @property
    def rule_public_id(self) -> str:
        return ids.encode(RULE_PREFIX, self.rule_id.bytes)


def list_alerts(
    connection: Connection,
    scope: Scope,
    *,
    state: str | None = None,
    rule: str | None = None,
    before: str | None = None,
    limit: int = 50,
    by_severity: bool = False,
) -> list[Alert]:
    """Lists alerts, newest first, or with `by_severity` the most severe first and then the newest.

    `before` is the id of the last alert of the previous page of the same order.

    Raises Forbidden, BadRequest (`bad_parameter`).
    """
    require_read(scope)
    query = select(alerts).where(alerts.c.org_id == scope.org_id)
    if state is not None:
        if state not in STATES:
            raise BadRequest(f"state must be one of {', '.join(STATES)}.", code="bad_parameter", parameter="state")
        query = query.where(alerts.c.state == state)
    if rule is not None:
        query = query.where(alerts.c.rule_id == _parse_id(RULE_PREFIX, rule, "rule"))
    # Ids are ordered by the time of firing.
    place = [_SEVERITY, alerts.c.alert_id] if by_severity else [alerts.c.alert_id]
    if before is not None:
        last = _parse_id(PREFIX, before, "before")
        of_last = select(_SEVERITY).where(alerts.c.org_id == scope.org_id, alerts.c.alert_id == last).scalar_subquery()
        query = query.where(tuple_(*place) < tuple_(*([of_last] if by_severity else []), last))
    rows = connection.execute(query.order_by(*(one.desc() for one in place)).limit(min(limit, MOST)))
    return [_alert_of(row) for row in rows]


def read_alert(connection: Connection, scope: Scope, public_id: str) -> Alert:
    """Returns the alert of that id; NotFound (`no_such_alert`), also for an alert of another organization."""
    require_read(scope)
    try:
        alert_id = ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _not_found(public_id) from None
    row = connection.execute(
        select(alerts).where(alerts.c.org_id == scope.org_id, alerts.c.alert_id == alert_id)
    ).first()
    if row is None:
        raise _not_found(public_id)
    return _alert_of(row)


def acknowledge(
    connection: Connection, scope: Scope, public_id: str, *, note: str = "", now: int, caller: Caller = NOWHERE
) -> Alert:
    """Marks an alert as acknowledged by the caller. A second time changes only the note, if one is given."""
    require(scope, "alerts")
    alert = read_alert(connection, scope, public_id)
    if len(note) > MOST_NOTE:
        raise BadRequest(f"A note can have at most {MOST_NOTE} characters.", code="bad_note", field="note")
    if alert.state == "acknowledged" and not note:
        return alert
    name = scope.principal.label[:254]
    clause = (alerts.c.org_id == alert.org_id) & (alerts.c.alert_id == alert.alert_id)
    values = {"state": "acknowledged", "acknowledged_by": name, "acknowledged_at": now, "note": note or alert.note}
    connection.execute(update(alerts).where(clause).values(values))
    rule = {"type": "alert_rule", "id": alert.rule_public_id, "name": alert.rule_name}
    metadata = {"alert": alert.public_id, **({"note": note} if note else {})}
    record_own(
        connection,
        alert.org_id,
        "audit_log.alert_acknowledged",
        by=scope.principal,
        caller=caller,
        on=rule,
        now=now,
        metadata=metadata,
    )
    return read_alert(connection, scope, public_id)


def _parse_id(prefix: str, text: str, parameter: str) -> UUID:
    try:
        return ids.parse_uuid(prefix, text)
    except ValueError:
        raise BadRequest(
            f"{parameter} must be an ID such as {prefix}_….", code="bad_parameter", parameter=parameter
        ) from None


def _not_found(public_id: str) -> NotFound:
    return NotFound(f"Alert {public_id[:60]!r} not found.", code="no_such_alert")


def _alert_of(row: Row[Any]) -> Alert:
    return Alert(
        row.org_id, row.alert_id, row.rule_id, row.rule_name, row.detection, row.severity, row.group_name,
        row.sentence, _facts(row.facts), _search(row.search), row.number, row.first_seq, row.last_seq,
        tuple(row.event_ids[at : at + 16] for at in range(0, len(row.event_ids), 16)),
        row.at, row.first_at, row.last_at, row.fired_at, row.more, row.state, row.muted, row.acknowledged_by,
        row.note, row.acknowledged_at,
    )  # fmt: skip
