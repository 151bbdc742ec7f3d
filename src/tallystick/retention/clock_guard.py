"""Is the clock to be believed? One that is years ahead would expire everything.

The last time that was believed stands in the control database. A clock that leaps ahead of it by more than LEAP is
doubted: the purge waits until the server ran CONFIRMATION long without another leap, or until an operator accepts the
clock. A clock that returns is believed at once; one that is behind expires too little, which harms nobody.
"""

from sqlalchemy import Connection, insert, select, update

from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.retention.tables import clock_witness

LEAP = 36 * 3600 * SECOND_US
CONFIRMATION = 24 * 3600 * SECOND_US
PACE = 600 * SECOND_US  # how often the believed time moves on; a pause longer than that confirms no more than that


def is_believed(database: Database, now: int) -> bool:
    """Whether to delete by this time (microseconds), noting it; writes every ten minutes at most."""
    with database.read() as connection:
        row = connection.execute(select(clock_witness)).one_or_none()
    if row is not None and row.doubted_at is None and now <= row.seen_at + PACE:
        return True
    with database.write() as connection:
        return _look(connection, now)


def accept(connection: Connection, now: int) -> None:
    """The operator says that this is the time."""
    _believe(connection, now)


def doubted(connection: Connection) -> tuple[int, int] | None:
    """The time that was believed last, and the first one that is doubted; None when all is well."""
    row = connection.execute(select(clock_witness.c.seen_at, clock_witness.c.doubted_at)).one_or_none()
    return None if row is None or row.doubted_at is None else (row.seen_at, row.doubted_at)


def _look(connection: Connection, now: int) -> bool:
    row = connection.execute(select(clock_witness).with_for_update()).one_or_none()
    if row is None or (row.doubted_at is None and row.seen_at < now <= row.seen_at + LEAP):
        _believe(connection, now)
        return True
    if now <= row.seen_at + LEAP:
        if row.doubted_at is not None:
            connection.execute(update(clock_witness).values(doubted_at=None, doubted_through=None, confirmed=0))
        return True
    if row.doubted_at is None or not row.doubted_through <= now <= row.doubted_through + LEAP:
        connection.execute(update(clock_witness).values(doubted_at=now, doubted_through=now, confirmed=0))
        return False
    confirmed = row.confirmed + min(now - row.doubted_through, PACE)
    if confirmed >= CONFIRMATION:
        _believe(connection, now)
        return True
    if now - row.doubted_through >= PACE // 10:
        connection.execute(update(clock_witness).values(doubted_through=now, confirmed=confirmed))
    return False


def _believe(connection: Connection, now: int) -> None:
    values = {"seen_at": now, "doubted_at": None, "doubted_through": None, "confirmed": 0}
    if not connection.execute(update(clock_witness).values(values)).rowcount:
        connection.execute(insert(clock_witness).values(witness=1, **values))
