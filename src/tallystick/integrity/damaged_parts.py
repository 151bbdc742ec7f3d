"""Damaged data parts of the event store: noted once a check of all their files confirms what a statement met."""

from typing import NamedTuple

import structlog
from sqlalchemy import Connection, delete, func, insert, select

from tallystick import clock
from tallystick.database.engine import Database
from tallystick.integrity.tables import damaged_parts
from tallystick.store.errors import TableRefused
from tallystick.store.events import EventStore
from tallystick.store.read_back import active_parts, broken_parts

logger = structlog.get_logger(__name__)


class DamagedPart(NamedTuple):
    """A data part, what the engine said of it, and when (µs since 1970)."""

    part: str
    problem: str
    noticed_at: int


def read_damaged(connection: Connection) -> list[DamagedPart]:
    """The damaged parts that are known, by name."""
    known = damaged_parts.c
    rows = connection.execute(select(known.part, known.problem, known.noticed_at).order_by(known.part))
    return [DamagedPart(*row) for row in rows]


def count_damaged(connection: Connection) -> int:
    """The number of damaged parts that are known."""
    return connection.execute(select(func.count()).select_from(damaged_parts)).scalar_one()


def note_damaged(database: Database, store: EventStore) -> None:
    """Note the parts that statements of this process found damaged, and forget those that are no longer in the table.

    A part stays noted until it is out of the table: its files are not read again.
    """
    met = dict(store.damage)
    with database.read() as connection:
        known = {one.part for one in read_damaged(connection)}
    if not met and not known:
        return
    try:
        active = active_parts(store)
        broken = set(broken_parts(store, sorted((met.keys() - known) & active)))
    except TableRefused as refusal:  # then nothing of the table can be read
        broken = set(refusal.parts) - known
        met, active = dict.fromkeys(broken, str(refusal)[:500]), known
    with database.write() as connection:
        connection.execute(delete(damaged_parts).where(damaged_parts.c.part.not_in(active)))
        for part in sorted(broken):
            connection.execute(insert(damaged_parts).values(part=part, problem=met[part], noticed_at=clock.now_us()))
            logger.error("part_damaged", part=part, error=met[part])
    for part in met:
        store.damage.pop(part, None)
