"""While a copy of both databases is made, nothing is deleted for good.

A copy takes the control database first, then the event store: what was deleted in between would be missing from it
without a record that says so. Whoever deletes events asks `must_wait` in the transaction that decides to, after it
saw that the record of the deletion is in the log; then that record is in the copy as well.
The lease runs out by itself, so that a copy that died stops nobody for long.
"""

from sqlalchemy import Connection, select, update

from tallystick.work import leases
from tallystick.work.leases import leases as table

LEASE = "backup"
SECONDS = 600


def begin(connection: Connection, holder: str, *, now: int) -> bool:
    """Let deletions wait for this copy; False while another is made. `now` is in microseconds."""
    return leases.hold(connection, LEASE, holder, now=now, seconds=SECONDS)


def still(connection: Connection, holder: str, *, now: int) -> bool:
    """Renew in time; False when the lease ran out meanwhile: something may have been deleted."""
    mine = (table.c.name == LEASE) & (table.c.holder == holder) & (table.c.until >= now)
    renewed = connection.execute(update(table).where(mine).values(until=now + SECONDS * 1_000_000))
    return bool(renewed.rowcount)


def must_wait(connection: Connection, *, now: int) -> bool:
    """Whether a copy is being made now."""
    held = select(table.c.name).where(table.c.name == LEASE, table.c.until >= now)
    return connection.execute(held).first() is not None
