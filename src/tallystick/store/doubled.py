"""Rows that stand in the event store more than once: finds and removes them."""

from uuid import UUID

from tallystick.store.events import EventStore
from tallystick.store.schema import KEYS, STORED_PARTS

_RANGE = "org_id = {org:UUID} AND seq >= {first:UInt64} AND seq < {end:UInt64}"
# The number of the insert that brought a row: part names begin with the partition and the lowest of these numbers.
_INSERT = "toUInt64(splitByChar('_', _part)[2])"
_DOUBLED = f"""{_RANGE} AND (_part, _part_offset) IN (SELECT _part, _part_offset FROM (
SELECT _part, _part_offset, row_number() OVER (PARTITION BY {{same}} ORDER BY {_INSERT}, _part, _part_offset) AS number
FROM events WHERE {_RANGE}{{only}}) WHERE number > 1)"""
_REPEATED = f"SELECT seq FROM events WHERE {_RANGE} GROUP BY seq HAVING count() > 1"
# Rows with the same values here are equal: all other columns are computed from them.
_CONTENT = f"sipHash128({', '.join((*KEYS, *STORED_PARTS))})"


def remove(store: EventStore, org_id: UUID, first: int, end: int) -> int:
    """Of each index first ≤ index < end keep the row that was inserted first; returns how many others were removed."""
    parameters = {"org": str(org_id), "first": first, "end": end}
    rows = store.rows(f"SELECT count() - uniqExact(seq) FROM events WHERE {_RANGE}", parameters)
    count = int(rows[0][0])
    if count:
        store.delete(_filled("seq"), parameters)
    return count


def blocks(store: EventStore, org_id: UUID, first: int, end: int, block: int) -> list[tuple[int, int]]:
    """The blocks of `block` indexes, cut to first ≤ index < end, in which some index stands more than once.

    Pairs of the first index and the one after the last, ascending.
    """
    rows = store.rows(
        f"SELECT intDiv(seq, {int(block)}) AS block FROM events WHERE {_RANGE} GROUP BY block "
        "HAVING count() > groupBitmap(seq) ORDER BY block",
        {"org": str(org_id), "first": first, "end": end},
    )
    return [(max(row[0] * block, first), min((row[0] + 1) * block, end)) for row in rows]


def indexes(store: EventStore, org_id: UUID, first: int, end: int) -> list[int]:
    """The indexes first ≤ index < end that stand more than once, ascending."""
    parameters = {"org": str(org_id), "first": first, "end": end}
    return [row[0] for row in store.rows(f"{_REPEATED} ORDER BY seq", parameters)]


def remove_equal(store: EventStore, org_id: UUID, first: int, end: int) -> int:
    """As `remove`, but only rows that are equal to the one that is kept."""
    parameters = {"org": str(org_id), "first": first, "end": end}
    only = f" AND seq IN ({_REPEATED})"
    rows = store.rows(f"SELECT count() - uniqExact(seq, {_CONTENT}) FROM events WHERE {_RANGE}{only}", parameters)
    count = int(rows[0][0])
    if count:
        store.delete(_filled(f"seq, {_CONTENT}", only), parameters)
    return count


def _filled(same: str, only: str = "") -> str:
    return _DOUBLED.replace("{same}", same).replace("{only}", only)
