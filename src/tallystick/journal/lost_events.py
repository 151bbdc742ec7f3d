"""Lost events: those that no copy has, as the operator has accepted and the trail names (`audit_log.events_lost`)."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, func, select

from tallystick.journal.missing_ranges import MAX_RANGES, IndexGap, IndexRange, is_met, join_closest
from tallystick.journal.tables import lost_events
from tallystick.query.scope import Scope


def count_lost(connection: Connection) -> dict[UUID, int]:
    """The number of lost events of each organization that has any."""
    statement = select(lost_events.c.org_id, func.sum(lost_events.c.events)).group_by(lost_events.c.org_id)
    return {row[0]: int(row[1]) for row in connection.execute(statement)}


def lost_within(
    connection: Connection, scope: Scope, *, first: int = 0, end: int | None = None, start: int | None = None
) -> list[IndexRange]:
    """The ranges of lost events that an answer meets, as `missing_within`; ascending, and not more than MAX_RANGES."""
    lost = lost_events.c
    rows = connection.execute(select(lost.indexes, lost.received_before).where(lost.org_id == scope.org_id))
    met = [
        pair
        for text, received_before in rows
        for pair in parse_pairs(text)
        if is_met(pair, received_before, first=first, end=end, start=start)
    ]
    joined = join_closest([IndexGap(*pair, 0) for pair in sorted(met)], MAX_RANGES)
    return [(gap.first, gap.last) for gap in joined]


def parse_pairs(text: str) -> Sequence[IndexRange]:
    """The ranges of a text such as `0-99,105`."""
    ranges = (part.partition("-") for part in text.split(","))
    return [(int(first), int(last or first)) for first, _, last in ranges]
