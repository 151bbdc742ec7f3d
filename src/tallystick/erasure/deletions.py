"""Whether events or parts of them are being deleted now, for who reads a trail and the records of what is gone."""

from collections.abc import Hashable
from uuid import UUID

from sqlalchemy import Connection, func, select

from tallystick.database.engine import Database
from tallystick.erasure.tables import erasures
from tallystick.ledger.tables import logs
from tallystick.outbox import write as outbox
from tallystick.retention.tables import prunings


def deletions(database: Database, org_id: UUID) -> tuple[bool, Hashable]:
    """Whether something is under way, and what changes with each deletion that ended.

    Who finds nothing under way before and after, and the same mark, read what the records say.
    """
    with database.read() as connection:
        purged = connection.execute(select(logs.c.pruned).where(logs.c.org_id == org_id)).scalar()
        over = (erasures.c.org_id == org_id) & erasures.c.finished_at.is_not(None)
        erased = connection.execute(select(func.count()).select_from(erasures).where(over)).scalar()
        return _under_way(connection, org_id), (purged, erased)


def is_erasing(connection: Connection, org_id: UUID) -> bool:
    """Whether an erasure was confirmed and is not over."""
    going = (erasures.c.org_id == org_id) & (erasures.c.state == "confirmed") & erasures.c.finished_at.is_(None)
    return connection.execute(select(erasures.c.erasure_id).where(going).limit(1)).first() is not None


def _under_way(connection: Connection, org_id: UUID) -> bool:
    if is_erasing(connection, org_id):
        return True
    announced = connection.execute(select(prunings.c.entry_id).where(prunings.c.org_id == org_id)).scalars().all()
    # What the log was not told of yet has deleted nothing.
    return any(not outbox.is_waiting(connection, entry_id) for entry_id in announced)
