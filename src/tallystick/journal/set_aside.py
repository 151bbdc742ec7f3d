"""Set-aside events: refused by the store for good, kept here, readable and provable, and alarmed about."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick.events.copies import complete
from tallystick.events.record import Record
from tallystick.journal.tables import set_aside

_record = msgspec.msgpack.Decoder(Record)


def put(connection: Connection, org_id: UUID, index: int, record: Record, reason: str, now: int) -> None:
    """Set one event aside; `reason` is the store's error."""
    connection.execute(
        insert(set_aside),
        {
            "org_id": org_id, "log_index": index, "record": msgspec.msgpack.encode(record),
            "reason": reason[:2000], "set_aside_at": now,
        },
    )  # fmt: skip


def of_organization(connection: Connection, org_id: UUID) -> list[tuple[int, Record]]:
    """All (index, record) that are set aside in an organization, ordered by index: a handful at most."""
    statement = select(set_aside.c.log_index, set_aside.c.record).where(set_aside.c.org_id == org_id)
    return [
        (row.log_index, complete(_record.decode(row.record)))
        for row in connection.execute(statement.order_by(set_aside.c.log_index))
    ]


def rewrite(connection: Connection, org_id: UUID, index: int, record: Record) -> None:
    """Replace the record of the event by one that lost parts, and drop the store's error text."""
    mine = (set_aside.c.org_id == org_id) & (set_aside.c.log_index == index)
    connection.execute(
        update(set_aside).where(mine).values(record=msgspec.msgpack.encode(record), reason="parts of it were erased")
    )


def counts(connection: Connection) -> dict[UUID, int]:
    """The number of set-aside events of each organization that has any."""
    statement = select(set_aside.c.org_id, func.count()).group_by(set_aside.c.org_id)
    return {row[0]: row[1] for row in connection.execute(statement)}


def remove(connection: Connection, org_id: UUID, indexes: Sequence[int]) -> None:
    """Delete these events, as far as they are set aside."""
    connection.execute(delete(set_aside).where(set_aside.c.org_id == org_id, set_aside.c.log_index.in_(indexes)))
