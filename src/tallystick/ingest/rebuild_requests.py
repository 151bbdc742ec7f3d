"""Rebuilds of the table of events as rows: asked for by the command line, begun by an upgrade, and how far they are."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, case, insert, select, update

from tallystick.clock import now_us
from tallystick.ids import new_uuid
from tallystick.ingest.tables import store_rebuilds

WANTED, RUNNING, DONE = "wanted", "running", "done"
RebuildRow = Row[Any]


def unfinished_rebuild(connection: Connection) -> RebuildRow | None:
    """The rebuild that runs, or else the oldest that was asked for; None if there is none."""
    known = store_rebuilds.c
    order = (case((known.state == RUNNING, 0), else_=1), known.wanted_at)
    waiting = select(store_rebuilds).where(known.state.in_((WANTED, RUNNING))).order_by(*order).limit(1)
    return connection.execute(waiting).first()


def request_rebuild(connection: Connection) -> UUID:
    """Ask for a rebuild, unless one is asked for or runs already; returns its id."""
    if (row := unfinished_rebuild(connection)) is not None:
        found: UUID = row.rebuild_id
        return found
    now = now_us()
    rebuild_id = new_uuid(now)
    values = {"state": WANTED, "copy": 0, "wanted_at": now, "events": 0, "of_events": 0, "detail": ""}
    connection.execute(insert(store_rebuilds).values(rebuild_id=rebuild_id, **values))
    return rebuild_id


def read_rebuild(connection: Connection, rebuild_id: UUID) -> RebuildRow:
    """The row of a rebuild."""
    return connection.execute(select(store_rebuilds).where(store_rebuilds.c.rebuild_id == rebuild_id)).one()


def save_rebuild(connection: Connection, rebuild_id: UUID, **values: Any) -> None:
    """Change the row of a rebuild."""
    connection.execute(update(store_rebuilds).where(store_rebuilds.c.rebuild_id == rebuild_id).values(values))
