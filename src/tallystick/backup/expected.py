"""How many events the event store has to hold of each log, as the control database knows it."""

from uuid import UUID

from sqlalchemy import Connection, Uuid, column, func, select, table

from tallystick.journal.tables import set_aside
from tallystick.ledger.tables import logs

# The purge's own, which stands beside this package; a copy takes every table as it is.
_PRUNINGS = table("prunings", column("org_id", Uuid), column("events"))


def expected(connection: Connection) -> dict[UUID, int]:
    """For each log the least number of events below its `stored_end` in the store.

    What went with its retention is not there, nor what was set aside; what is announced to go may be gone.
    """
    least = {row.org_id: row.stored_end - row.pruned for row in connection.execute(select(logs)).all()}
    aside = select(set_aside.c.org_id, func.count()).group_by(set_aside.c.org_id)
    going = select(_PRUNINGS.c.org_id, func.sum(_PRUNINGS.c.events)).group_by(_PRUNINGS.c.org_id)
    for statement in (aside, going):
        for org_id, events in connection.execute(statement).all():
            least[org_id] = max(least.get(org_id, 0) - int(events), 0)
    return least
