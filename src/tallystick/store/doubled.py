"""Removes rows that stand in the event store twice."""

from uuid import UUID

from tallystick.store.events import EventStore

_RANGE = "org_id = {org:UUID} AND seq >= {first:UInt64} AND seq < {end:UInt64}"
# The number of the insert that brought a row: part names begin with the partition and the lowest of these numbers.
_INSERT = "toUInt64(splitByChar('_', _part)[2])"
_DOUBLED = f"""{_RANGE} AND (_part, _part_offset) IN (SELECT _part, _part_offset FROM (
SELECT _part, _part_offset, row_number() OVER (PARTITION BY seq ORDER BY {_INSERT}, _part, _part_offset) AS number
FROM events WHERE {_RANGE}) WHERE number > 1)"""


def remove(store: EventStore, org_id: UUID, first: int, end: int) -> int:
    """Of each index first ≤ index < end keep the row that was inserted first; returns how many others were removed."""
    parameters = {"org": str(org_id), "first": first, "end": end}
    rows = store.rows(f"SELECT count() - uniqExact(seq) FROM events WHERE {_RANGE}", parameters)
    count = int(rows[0][0])
    if count:
        store.delete(_DOUBLED, parameters)
    return count
