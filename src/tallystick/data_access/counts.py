"""Counts of reads in the control database, each of which becomes one event when its period is over."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Connection, case, delete, insert, update
from sqlalchemy.exc import IntegrityError

from tallystick.access.audit import Caller, record_own
from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.data_access.tables import data_access_counts
from tallystick.query.scope import Principal

Kind = Literal["requests", "streams", "views"]
HOUR_US = 3600 * SECOND_US
PERIODS: Mapping[Kind, int] = {"requests": DAY_US, "streams": HOUR_US, "views": HOUR_US}
# The last counts of a period are still on their way from memory when it ends.
GRACE_US = 60 * SECOND_US
VIEWED, EVENT_VIEWED, EXPORTED = "audit_log.viewed", "audit_log.event_viewed", "audit_log.exported"
_ACTIONS: Mapping[Kind, str] = {"requests": VIEWED, "streams": EXPORTED, "views": VIEWED}


def add_count(
    connection: Connection, org_id: UUID, reader: Principal, kind: Kind, number: int, *, address: str, now: int
) -> None:
    """Add to the reader's count of the period that `now` (microseconds) lies in."""
    start = now - now % PERIODS[kind]
    counts = data_access_counts.c
    mine = (counts.org_id == org_id) & (counts.reader_id == reader.id) & (counts.kind == kind) & (counts.start == start)
    more = update(data_access_counts).where(mine).values(number=counts.number + number, address=address, last_at=now)
    if connection.execute(more).rowcount:
        return
    row = {
        "org_id": org_id, "reader_id": reader.id, "kind": kind, "start": start,
        "reader": msgspec.json.encode(reader).decode(), "address": address, "number": number, "last_at": now,
    }  # fmt: skip
    try:
        with connection.begin_nested():
            connection.execute(insert(data_access_counts).values(row))
    except IntegrityError:  # another process has begun the period
        connection.execute(more)


def record_ended_periods(connection: Connection, now: int) -> int:
    """Record the counts whose period is over, one event for each, and delete them; returns how many."""
    counts = data_access_counts.c
    length = case(*((counts.kind == kind, length) for kind, length in PERIODS.items()), else_=DAY_US)
    is_over = counts.start + length <= now - GRACE_US
    # Deleted first: of several processes, one gets each row.
    ended = connection.execute(delete(data_access_counts).where(is_over).returning(data_access_counts)).all()
    for row in ended:
        metadata: dict[str, Any] = {
            row.kind: row.number,
            "since": rfc3339(row.start),
            "until": rfc3339(row.start + PERIODS[row.kind]),
            "last": rfc3339(row.last_at),
        }
        record_own(
            connection, row.org_id, _ACTIONS[row.kind],
            by=msgspec.json.decode(row.reader, type=Principal), caller=Caller(row.address, row.address), on={}, now=now,
            metadata=metadata,
        )  # fmt: skip
    return len(ended)
