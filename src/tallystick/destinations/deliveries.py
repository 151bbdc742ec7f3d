"""The queue of what goes to destinations."""

from uuid import UUID

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from tallystick import ids
from tallystick.destinations.message import Message
from tallystick.destinations.tables import deliveries, destinations, mails


def put(connection: Connection, org_id: UUID, destination_id: UUID, message: Message, *, now: int) -> UUID | None:
    """Have it sent after this transaction, once for each id; None to a destination that is off or gone."""
    on = select(destinations.c.failures).where(
        destinations.c.org_id == org_id, destinations.c.destination_id == destination_id, destinations.c.enabled
    )
    there = select(deliveries.c.delivery_id).where(
        deliveries.c.org_id == org_id, deliveries.c.destination_id == destination_id,
        deliveries.c.message_id == message.id,
    )  # fmt: skip
    failures = connection.execute(on).scalar()
    if failures is None or connection.execute(there).first() is not None:
        return None
    next_at = now
    if failures:  # what waits for a dead one waits together
        waiting = select(func.min(deliveries.c.next_at)).where(
            deliveries.c.org_id == org_id, deliveries.c.destination_id == destination_id,
            deliveries.c.state == "waiting",
        )  # fmt: skip
        next_at = max(now, connection.execute(waiting).scalar() or now)
    delivery_id = ids.new_uuid(now)
    connection.execute(
        insert(deliveries).values(
            org_id=org_id, delivery_id=delivery_id, destination_id=destination_id, message_id=message.id,
            message=msgspec.json.encode(message).decode(), left="", state="waiting", attempts=0, problem="",
            made_at=now, next_at=next_at,
        )
    )  # fmt: skip
    return delivery_id


def forget_claims(connection: Connection) -> None:
    """At the start of the only process there can be: whoever was sending is dead. Mails too."""
    for table in (deliveries, mails):
        connection.execute(update(table).where(table.c.claimed_until.is_not(None)).values(claimed_until=None))
