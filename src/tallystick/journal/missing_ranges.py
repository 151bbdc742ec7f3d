"""Missing events: ranges of indexes that the event store lacks though it held them once, by organization."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select

from tallystick.clock import MICROSECOND
from tallystick.errors import Conflict
from tallystick.events.intake import LATEST_AHEAD
from tallystick.journal.tables import missing_ranges
from tallystick.query.scope import Scope

MAX_RANGES = 200  # of an organization
RESTORE_COMMAND = "tallystick store restore-range COPY"  # what operators are told
IndexRange = tuple[int, int]
"""The first and the last index of a range."""


class IndexGap(NamedTuple):
    """The indexes from `first` to `last`, both included, of which `events` are missing."""

    first: int
    last: int
    events: int


class MissingRange(NamedTuple):
    """A gap that was noticed, when (µs since 1970) and by what.

    All of its events were received before `received_before`.
    """

    first: int
    last: int
    events: int
    received_before: int
    noticed_at: int
    noticed_by: str


def read_missing(connection: Connection, org_id: UUID) -> list[MissingRange]:
    """The missing ranges of the organization, ascending; they do not overlap."""
    known = missing_ranges.c
    columns = (known.first_index, known.last_index, known.events)
    notice = (known.received_before, known.noticed_at, known.noticed_by)
    rows = connection.execute(select(*columns, *notice).where(known.org_id == org_id).order_by(known.first_index))
    return [MissingRange(*row) for row in rows]


def missing_within(
    connection: Connection, scope: Scope, *, first: int = 0, end: int | None = None, start: int | None = None
) -> list[IndexRange]:
    """The missing ranges that an answer over the indexes first ≤ index < end meets, whatever its filter.

    `start`: the answer's earliest timestamp, in microseconds; no event that was received long before it can have it.
    """
    return [
        (one.first, one.last)
        for one in read_missing(connection, scope.org_id)
        if is_met((one.first, one.last), one.received_before, first=first, end=end, start=start)
    ]


def is_met(pair: IndexRange, received_before: int, *, first: int, end: int | None, start: int | None) -> bool:
    """Whether an answer over the indexes first ≤ index < end, and timestamps from `start` on, meets the range."""
    return (
        pair[1] >= first
        and (end is None or pair[0] < end)
        and (start is None or start < received_before + LATEST_AHEAD // MICROSECOND)
    )


def refuse_missing(ranges: Sequence[IndexRange]) -> None:
    """Raise Conflict (`events_missing`) with the ranges, if there are any."""
    if ranges:
        raise Conflict(
            f"The event store lacks events of this organization, at {format_missing(ranges)} in its log. The operator "
            "of the server can restore them. To go on without them, allow missing events (allow_missing).",
            code="events_missing",
            missing=[list(pair) for pair in ranges],
        )


def format_missing(ranges: Sequence[IndexRange], most: int = 10) -> str:
    """The first ranges as text: `3, 7-9`; says how many more there are."""
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[:most])
    return shown + (f" and {len(ranges) - most:,} more ranges" if len(ranges) > most else "")


def count_missing(connection: Connection) -> dict[UUID, int]:
    """The number of missing events of each organization that lacks any."""
    statement = select(missing_ranges.c.org_id, func.sum(missing_ranges.c.events)).group_by(missing_ranges.c.org_id)
    return {row[0]: int(row[1]) for row in connection.execute(statement)}


def replace_missing(connection: Connection, org_id: UUID, gaps: Sequence[IndexGap], *, now: int, by: str) -> bool:
    """Replace the missing ranges of the organization; False if they are the same as before.

    A range that overlaps a known one keeps the notice of that one. The caller holds the lock of the
    organization's row.
    """
    before = read_missing(connection, org_id)
    after = [_noticed(gap, before, now, by) for gap in join_closest(gaps, MAX_RANGES)]
    if after == before:
        return False
    connection.execute(delete(missing_ranges).where(missing_ranges.c.org_id == org_id))
    if after:
        rows = [
            {
                "org_id": org_id, "first_index": one.first, "last_index": one.last, "events": one.events,
                "received_before": one.received_before, "noticed_at": one.noticed_at, "noticed_by": one.noticed_by,
            }
            for one in after
        ]  # fmt: skip
        connection.execute(insert(missing_ranges), rows)
    return True


def _noticed(gap: IndexGap, before: Sequence[MissingRange], now: int, by: str) -> MissingRange:
    overlapping = [one for one in before if one.first <= gap.last and gap.first <= one.last]
    if not overlapping:
        return MissingRange(*gap, now, now, by)
    earliest = min(overlapping, key=lambda one: one.noticed_at)
    # What a gap has grown by was received at any time until now.
    has_grown = gap.first < overlapping[0].first or gap.last > overlapping[-1].last or len(overlapping) > 1
    bound = now if has_grown else earliest.received_before
    return MissingRange(*gap, bound, earliest.noticed_at, earliest.noticed_by)


def join_closest(gaps: Iterable[IndexGap], most: int) -> list[IndexGap]:
    """Join adjacent gaps (given in ascending order), and then the closest ones until at most `most` are left."""
    joined: list[IndexGap] = []
    for gap in gaps:
        if joined and gap.first <= joined[-1].last + 1:
            joined[-1] = _join(joined[-1], gap)
        else:
            joined.append(gap)
    if len(joined) <= most:
        return joined
    # The places that stay open are the widest between two gaps.
    widths = sorted(range(1, len(joined)), key=lambda at: joined[at - 1].last - joined[at].first)
    kept: list[IndexGap] = []
    stays_open = {0, *widths[: most - 1]}
    for place, gap in enumerate(joined):
        if place in stays_open:
            kept.append(gap)
        else:
            kept[-1] = _join(kept[-1], gap)
    return kept


def _join(one: IndexGap, other: IndexGap) -> IndexGap:
    return IndexGap(one.first, max(one.last, other.last), one.events + other.events)
