"""Deletions in progress: lets readers notice that events were purged or erased while they read them."""

from collections.abc import Hashable
from uuid import UUID

from sqlalchemy import Connection, func, select

from tallystick.database.engine import Database
from tallystick.erasure.tables import erasures
from tallystick.ledger.tables import logs
from tallystick.outbox import write as outbox
from tallystick.retention.tables import prunings


def deletion_state(database: Database, org_id: UUID) -> tuple[bool, Hashable]:
    """Whether a deletion is in progress, and a value that changes with every finished deletion.

    A reader that gets the same value before and after, both times with nothing in progress, read events and deletion
    records that agree.
    """
    with database.read() as connection:
        purged = connection.execute(select(logs.c.pruned).where(logs.c.org_id == org_id)).scalar()
        over = (erasures.c.org_id == org_id) & erasures.c.finished_at.is_not(None)
        erased = connection.execute(select(func.count()).select_from(erasures).where(over)).scalar()
        return _under_way(connection, org_id), (purged, erased)


def is_erasing(connection: Connection, org_id: UUID) -> bool:
    """Whether an erasure is confirmed and not finished."""
    going = (erasures.c.org_id == org_id) & (erasures.c.state == "confirmed") & erasures.c.finished_at.is_(None)
    return connection.execute(select(erasures.c.erasure_id).where(going).limit(1)).first() is not None


def _under_way(connection: Connection, org_id: UUID) -> bool:
    if is_erasing(connection, org_id):
        return True
    announced = connection.execute(select(prunings.c.entry_id).where(prunings.c.org_id == org_id)).scalars().all()
    # A purge deletes only after its record is in the log.
    return any(not outbox.is_waiting(connection, entry_id) for entry_id in announced)
