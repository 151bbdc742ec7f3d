"""Writes own audit events in the transaction of a change, and takes them in the transaction of the commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Index, Integer, LargeBinary, Table, insert, select

from tallystick.clock import rfc3339
from tallystick.database.tables import metadata, org_column, time_column
from tallystick.query.scope import TALLYSTICK, Principal

# An own action says that Tallystick recorded it, so that no key can pass off an event as one.
outbox = Table(
    "outbox",
    metadata,
    org_column(),
    # SQLite counts up by itself only in a column that is called INTEGER.
    Column("entry_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event", LargeBinary, nullable=False),
    Column("recorded_by", LargeBinary, nullable=False),
    time_column("written_at"),
    Index("ix_outbox_org_id_entry_id", "org_id", "entry_id"),
)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One waiting own event; `event` has the fields that a client sends."""

    entry_id: int
    event: Mapping[str, Any]
    recorded_by: Principal


def write(
    connection: Connection, org_id: UUID, event: Mapping[str, Any], *, now: int, recorded_by: Principal = TALLYSTICK
) -> int:
    """Write an event that enters the trail when this transaction commits; its timestamp is `now` unless it has one.

    Returns the entry's number, for `is_waiting`.
    """
    row = _row(org_id, event, now, recorded_by)
    number: int = connection.execute(insert(outbox).values(row).returning(outbox.c.entry_id)).scalar_one()
    return number


def write_all(connection: Connection, org_id: UUID, events: Sequence[Mapping[str, Any]], *, now: int) -> None:
    """Write events of Tallystick with one statement; see `write`."""
    if events:
        connection.execute(insert(outbox), [_row(org_id, event, now, TALLYSTICK) for event in events])


def _row(org_id: UUID, event: Mapping[str, Any], now: int, recorded_by: Principal) -> dict[str, Any]:
    return {
        "org_id": org_id,
        "event": msgspec.json.encode({"timestamp": rfc3339(now), **event}),
        "recorded_by": msgspec.json.encode(recorded_by),
        "written_at": now,
    }


def is_waiting(connection: Connection, entry_id: int) -> bool:
    """Whether the entry has not entered the trail yet."""
    return connection.execute(select(outbox.c.entry_id).where(outbox.c.entry_id == entry_id)).first() is not None


def move_to_front(connection: Connection, org_id: UUID, entry_id: int) -> None:
    """Let the entry enter the trail before all others that wait in its organization."""
    first = connection.execute(select(sa.func.min(outbox.c.entry_id)).where(outbox.c.org_id == org_id)).scalar_one()
    if first < entry_id:
        lowest = connection.execute(select(sa.func.min(outbox.c.entry_id))).scalar_one()
        connection.execute(sa.update(outbox).where(outbox.c.entry_id == entry_id).values(entry_id=lowest - 1))


def organizations_waiting(connection: Connection, limit: int = 1000) -> list[UUID]:
    """The organizations with own events that have not entered their trail."""
    return list(connection.execute(select(outbox.c.org_id).distinct().limit(limit)).scalars())


def take(connection: Connection, org_id: UUID, limit: int) -> list[OutboxEntry]:
    """The oldest waiting events, at most `limit`. Call it under the log's lock, then `delete` them in it."""
    rows = connection.execute(
        select(outbox.c.entry_id, outbox.c.event, outbox.c.recorded_by)
        .where(outbox.c.org_id == org_id)
        .order_by(outbox.c.entry_id)
        .limit(limit)
    )
    return [
        OutboxEntry(row.entry_id, msgspec.json.decode(row.event), msgspec.json.decode(row.recorded_by, type=Principal))
        for row in rows
    ]


def delete(connection: Connection, entries: Sequence[OutboxEntry]) -> None:
    """Delete entries that were taken: they are in the trail once this transaction commits."""
    if entries:
        connection.execute(sa.delete(outbox).where(outbox.c.entry_id.in_([entry.entry_id for entry in entries])))
