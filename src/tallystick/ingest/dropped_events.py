"""Events that a rule of their organization drops before the commit, and how many there were."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from tallystick.clock import SECOND_US, rfc3339
from tallystick.events.prepared import Prepared
from tallystick.ingest.tables import dropped_events
from tallystick.outbox import write as outbox
from tallystick.query.scope import Principal

HOUR_US = 3600 * SECOND_US
MOST_ROWS = 100  # of one organization and hour: keys and actions beyond that are counted together
KEPT_US = 7 * 24 * HOUR_US
ACTION = "audit_log.events_dropped"

DropFilter = Callable[[UUID, Sequence[Prepared]], Mapping[int, str]]
"""The position of each event of a request that is dropped, and the id of the rule; called in any thread."""


def drop_none(_org_id: UUID, _prepared: Sequence[Prepared]) -> Mapping[int, str]:
    """A filter that drops nothing."""
    return {}


class Drops(msgspec.Struct, frozen=True):
    """The dropped events of one request: by position the rule, and by rule and action their number and bytes."""

    rules: Mapping[int, str]
    sender: str  # the id of the key that sent them
    counts: Mapping[tuple[str, str], tuple[int, int]]

    @classmethod
    def of(cls, prepared: Sequence[Prepared], rules: Mapping[int, str], sender: Principal) -> "Drops":
        """The drops among the events of a request."""
        events, sizes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for position, rule_id in rules.items():
            record = prepared[position].record
            events[rule_id, record.action] += 1
            sizes[rule_id, record.action] += record.parts_size
        return cls(rules, sender.id, {key: (number, sizes[key]) for key, number in events.items()})

    @property
    def events(self) -> int:
        """How many there are."""
        return len(self.rules)


def count_drops(connection: Connection, org_id: UUID, drops: Sequence[Drops], *, now: int) -> None:
    """Count dropped events, in the transaction that commits the other events of their requests.

    So the count is as durable as the answer, and a request that is refused counts nothing. The caller holds the lock
    of the organization's log.
    """
    hour = now - now % HOUR_US
    for one in drops:
        for (rule_id, action), (events, size) in one.counts.items():
            key = {"org_id": org_id, "hour": hour, "rule_id": rule_id, "sender": one.sender, "action": action}
            if _add(connection, key, events, size):
                continue
            if _rows_of(connection, org_id, hour) >= MOST_ROWS:
                key |= {"sender": "", "action": ""}
                if _add(connection, key, events, size):
                    continue
            connection.execute(
                insert(dropped_events).values(**key, events=events, bytes=size, recorded_events=0, recorded_bytes=0)
            )


def has_ended_hours(connection: Connection, now: int) -> bool:
    """Whether `record_ended_hours` would record any."""
    return connection.execute(select(dropped_events.c.hour).where(_is_due(now)).limit(1)).first() is not None


def record_ended_hours(connection: Connection, now: int) -> int:
    """Record the drops of each hour that is over, one event for each organization and hour; returns how many.

    A count goes into the trail once, in the transaction that notes it: a drop that comes late into an hour that is
    recorded already makes another event, with that drop alone.
    """
    table = dropped_events.c
    ordered = select(dropped_events).where(_is_due(now)).order_by(table.org_id, table.hour, table.rule_id)
    due = connection.execute(ordered.with_for_update()).all()
    told: dict[tuple[UUID, int], list[dict[str, Any]]] = {}
    for row in due:
        said = {"rule": row.rule_id, "sender": row.sender, "action": row.action}
        numbers = {"events": row.events - row.recorded_events, "bytes": row.bytes - row.recorded_bytes}
        named = {name: text for name, text in said.items() if text}
        told.setdefault((row.org_id, row.hour), []).append(named | numbers)
        same = [table[name] == row._mapping[name] for name in ("org_id", "hour", "rule_id", "sender", "action")]
        connection.execute(
            update(dropped_events).where(*same).values(recorded_events=row.events, recorded_bytes=row.bytes)
        )
    for (org_id, hour), drops in told.items():
        metadata = {
            "since": rfc3339(hour),
            "until": rfc3339(hour + HOUR_US),
            "events": sum(one["events"] for one in drops),
            "bytes": sum(one["bytes"] for one in drops),
            "drops": drops,
        }
        actor = {"type": "system", "id": "tallystick", "name": "Tallystick"}
        outbox.write(connection, org_id, {"action": ACTION, "actor": actor, "metadata": metadata}, now=now)
    is_old = (table.hour < now - KEPT_US) & (table.events == table.recorded_events)
    connection.execute(delete(dropped_events).where(is_old))
    return len(told)


def read_drops(connection: Connection, org_id: UUID, since: int) -> list[tuple[int, str, int, int]]:
    """Hour (its beginning, microseconds), rule, events and bytes dropped from `since` on, newest first."""
    table = dropped_events.c
    rows = connection.execute(
        select(table.hour, table.rule_id, func.sum(table.events), func.sum(table.bytes))
        .where(table.org_id == org_id, table.hour >= since - since % HOUR_US)
        .group_by(table.hour, table.rule_id)
        .order_by(table.hour.desc(), table.rule_id)
    )
    return [(hour, rule_id, int(events), int(size)) for hour, rule_id, events, size in rows]


def _is_due(now: int) -> ColumnElement[bool]:
    table = dropped_events.c
    return (table.events > table.recorded_events) & (table.hour + HOUR_US <= now)


def _add(connection: Connection, key: Mapping[str, Any], events: int, size: int) -> bool:
    table = dropped_events.c
    mine = [table[name] == value for name, value in key.items()]
    more = {"events": table.events + events, "bytes": table.bytes + size}
    return bool(connection.execute(update(dropped_events).where(*mine).values(more)).rowcount)


def _rows_of(connection: Connection, org_id: UUID, hour: int) -> int:
    mine = (dropped_events.c.org_id == org_id) & (dropped_events.c.hour == hour)
    number: int = connection.execute(select(func.count()).select_from(dropped_events).where(mine)).scalar_one()
    return number
