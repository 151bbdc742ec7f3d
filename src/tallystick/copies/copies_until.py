"""Until when copies may hold what was erased: what an erasure tells people.

An erasure leaves the copies when every generation that was begun before it is deleted: some days after the first full
copy that was made after it. That is later than expected while full copies or deletions fail, so the times of erasures
are moved on then. Copies in a place that is not used any more are deleted by nobody but the operator.
"""

from sqlalchemy import Connection, case, delete, func, insert, select, update

from tallystick.clock import DAY_US
from tallystick.copies.progress import CopyState
from tallystick.copies.tables import copies_left
from tallystick.erasure.tables import FOR_EVER, erasures

_HELD = (erasures.c.state == "completed") & erasures.c.copies_until.is_not(None)


def expected_end(connection: Connection, now: int, kept_us: int) -> int | None:
    """Until when copies may hold what is erased `now` (µs since 1970); None if there are none.

    `kept_us`: for how long they hold it if nothing fails, 0 if none are made.
    """
    if connection.execute(select(copies_left.c.place).limit(1)).first() is not None:
        return FOR_EVER
    return now + kept_us if kept_us else None


def move_on(connection: Connection, state: CopyState, now: int, kept_us: int) -> None:
    """Move on the times of erasures that are still in copies, if these last longer than was expected."""
    is_new = erasures.c.finished_at > (state.full_at or 0)  # no full copy was made since
    end = case((is_new, now + kept_us - DAY_US), else_=now + DAY_US)
    is_there = erasures.c.finished_at >= (state.oldest_at or 0)
    connection.execute(update(erasures).where(_HELD, is_there, erasures.c.copies_until < end).values(copies_until=end))


def leave_place(connection: Connection, place: str, now: int) -> None:
    """Note that copies stay in a place that is not used any more, and may hold what was erased."""
    if connection.execute(select(copies_left.c.place).where(copies_left.c.place == place)).first() is None:
        connection.execute(insert(copies_left).values(place=place, left_at=now))
    connection.execute(update(erasures).where(_HELD, erasures.c.copies_until > now).values(copies_until=FOR_EVER))


def forget_place(connection: Connection, place: str, now: int, kept_us: int) -> bool:
    """Note that a left place is used again, or that its copies were deleted; False if it was no left place."""
    if not connection.execute(delete(copies_left).where(copies_left.c.place == place)).rowcount:
        return False
    if connection.execute(select(func.count()).select_from(copies_left)).scalar_one() == 0:
        ended = _HELD & (erasures.c.copies_until == FOR_EVER)
        connection.execute(update(erasures).where(ended).values(copies_until=now + kept_us))
    return True


def left_places(connection: Connection) -> list[str]:
    """The places with copies that are not used any more, in order."""
    return list(connection.execute(select(copies_left.c.place).order_by(copies_left.c.left_at)).scalars())
