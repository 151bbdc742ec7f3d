"""The events that were ever exported or archived, as merged ranges of indexes."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select

from tallystick.access import organizations
from tallystick.query.scope import Scope
from tallystick.retention.index_set import Range, merge_ranges
from tallystick.retention.tables import exported_ranges

MAX_RANGES = 200


def add_ranges(connection: Connection, scope: Scope, ranges: Iterable[Range]) -> None:
    """Add the ranges of events that were exported with every field.

    Keeps the MAX_RANGES largest ranges. Events of a dropped range count as never exported, which errs on the safe side:
    their owners are warned before they are deleted.
    """
    organizations.lock_row(connection, scope.org_id)
    joined = merge_ranges([*read_ranges(connection, scope), *(one for one in ranges if 0 <= one[0] <= one[1])])
    kept = sorted(sorted(joined, key=lambda pair: pair[0] - pair[1])[:MAX_RANGES])
    connection.execute(delete(exported_ranges).where(exported_ranges.c.org_id == scope.org_id))
    if kept:
        rows = [{"org_id": scope.org_id, "first": first, "last": last} for first, last in kept]
        connection.execute(insert(exported_ranges), rows)


def read_ranges(connection: Connection, scope: Scope) -> list[Range]:
    """The stored ranges, ascending."""
    mine = exported_ranges.c.org_id == scope.org_id
    statement = select(exported_ranges.c.first, exported_ranges.c.last).where(mine).order_by(exported_ranges.c.first)
    return [(row.first, row.last) for row in connection.execute(statement)]
