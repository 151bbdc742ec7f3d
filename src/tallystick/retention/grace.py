"""How long events stay that had expired when they were recorded."""

from uuid import UUID

from sqlalchemy import Connection, select

from tallystick.clock import DAY_US
from tallystick.retention.tables import purges

GRACE_US = DAY_US


def settled_at(connection: Connection, org_id: UUID, now: int, grace_us: int = GRACE_US) -> int:
    """Late events that were recorded before this time (microseconds) have waited long enough.

    That is a day ago and before the last daily purge, which told of them.
    """
    last = connection.execute(select(purges.c.last_run_at).where(purges.c.org_id == org_id)).scalar()
    return min(now - grace_us, now if last is None else last)
