"""Which events ever left the server, in an export or an archive: ranges of indexes, merged."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select

from tallystick.access import organizations
from tallystick.query.scope import Scope
from tallystick.retention.index_set import merge_ranges
from tallystick.retention.tables import exported_ranges

MOST_RANGES = 200

Pair = tuple[int, int]
"""First and last index, both included."""


def note(connection: Connection, scope: Scope, ranges: Iterable[Pair]) -> None:
    """These events were written somewhere in full. Of too many scattered ranges the smallest are forgotten:
    then events count as never exported though they were, and nobody is lulled.
    """
    organizations.lock_row(connection, scope.org_id)
    joined = merge_ranges([*known(connection, scope), *(one for one in ranges if 0 <= one[0] <= one[1])])
    kept = sorted(sorted(joined, key=lambda pair: pair[0] - pair[1])[:MOST_RANGES])
    connection.execute(delete(exported_ranges).where(exported_ranges.c.org_id == scope.org_id))
    if kept:
        rows = [{"org_id": scope.org_id, "first": first, "last": last} for first, last in kept]
        connection.execute(insert(exported_ranges), rows)


def known(connection: Connection, scope: Scope) -> list[Pair]:
    """What is known to have been exported, ascending."""
    mine = exported_ranges.c.org_id == scope.org_id
    statement = select(exported_ranges.c.first, exported_ranges.c.last).where(mine).order_by(exported_ranges.c.first)
    return [(row.first, row.last) for row in connection.execute(statement)]
