"""A guard against a wrong system clock: one that is years ahead would expire every event.

The last trusted time is stored in the control database. A clock that is more than MAX_LEAP ahead of it is doubted: the
purge waits until the server ran for CONFIRMATION without another leap, or until an operator accepts the clock. A
clock that returns to the stored time is trusted at once; one that is behind expires too little, which is harmless.
"""

from sqlalchemy import Connection, insert, select, update

from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.retention.tables import clock_witness

MAX_LEAP = 36 * 3600 * SECOND_US
CONFIRMATION = 24 * 3600 * SECOND_US
UPDATE_INTERVAL = (
    600 * SECOND_US
)  # the stored time is updated this often; a longer gap between checks confirms only this much


def is_trusted(database: Database, now: int) -> bool:
    """Whether `now` (µs since 1970) may be used to delete events; stores it, at most every ten minutes."""
    with database.read() as connection:
        row = connection.execute(select(clock_witness)).one_or_none()
    if row is not None and row.doubted_at is None and now <= row.seen_at + UPDATE_INTERVAL:
        return True
    with database.write() as connection:
        return _check(connection, now)


def accept_clock(connection: Connection, now: int) -> None:
    """Trust this time: for an operator."""
    _trust(connection, now)


def doubted_times(connection: Connection) -> tuple[int, int] | None:
    """The last trusted time and the first doubted one (µs since 1970); None while the clock is trusted."""
    row = connection.execute(select(clock_witness.c.seen_at, clock_witness.c.doubted_at)).one_or_none()
    return None if row is None or row.doubted_at is None else (row.seen_at, row.doubted_at)


def _check(connection: Connection, now: int) -> bool:
    row = connection.execute(select(clock_witness).with_for_update()).one_or_none()
    if row is None or (row.doubted_at is None and row.seen_at < now <= row.seen_at + MAX_LEAP):
        _trust(connection, now)
        return True
    if now <= row.seen_at + MAX_LEAP:
        if row.doubted_at is not None:
            connection.execute(update(clock_witness).values(doubted_at=None, doubted_through=None, confirmed=0))
        return True
    if row.doubted_at is None or not row.doubted_through <= now <= row.doubted_through + MAX_LEAP:
        connection.execute(update(clock_witness).values(doubted_at=now, doubted_through=now, confirmed=0))
        return False
    confirmed = row.confirmed + min(now - row.doubted_through, UPDATE_INTERVAL)
    if confirmed >= CONFIRMATION:
        _trust(connection, now)
        return True
    if now - row.doubted_through >= UPDATE_INTERVAL // 10:
        connection.execute(update(clock_witness).values(doubted_through=now, confirmed=confirmed))
    return False


def _trust(connection: Connection, now: int) -> None:
    values = {"seen_at": now, "doubted_at": None, "doubted_through": None, "confirmed": 0}
    if not connection.execute(update(clock_witness).values(values)).rowcount:
        connection.execute(insert(clock_witness).values(witness=1, **values))
