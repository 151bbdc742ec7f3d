"""Leases: a name, who holds it, until when."""

import structlog
from sqlalchemy import Column, Connection, String, Table, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from tallystick.database.engine import Database
from tallystick.database.tables import metadata, time_column

_log = structlog.get_logger(__name__)

leases = Table(
    "leases",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("holder", String(100), nullable=False),
    time_column("until"),
)


def hold(connection: Connection, name: str, holder: str, *, now: int, seconds: int) -> bool:
    """Take or renew the lease; False while another holds it. `now` is in microseconds."""
    until = now + seconds * 1_000_000
    taken = connection.execute(
        update(leases)
        .where(leases.c.name == name, or_(leases.c.holder == holder, leases.c.until < now))
        .values(holder=holder, until=until)
    )
    if taken.rowcount:
        return True
    if connection.execute(select(leases.c.name).where(leases.c.name == name)).first() is not None:
        return False
    try:
        with connection.begin_nested():
            connection.execute(insert(leases).values(name=name, holder=holder, until=until))
    except IntegrityError:
        return False
    return True


def give_up(connection: Connection, name: str, holder: str) -> None:
    """Let the next one begin at once."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


def end(database: Database, name: str, holder: str) -> None:
    """Give the lease up when work stops; if that fails it runs out by itself."""
    try:
        with database.write() as connection:
            give_up(connection, name, holder)
    except SQLAlchemyError as error:
        _log.warning("lease_kept", lease=name, error=str(error))


def forget_all(connection: Connection) -> None:
    """At the start of the only process there can be: whoever held a lease is dead."""
    connection.execute(delete(leases))
