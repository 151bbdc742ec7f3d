"""The tail of the journal: batches that the event store has, kept for some hours in case that it loses them.

Nothing reads it but what brings lost events back. Purges and erasures remove their events from it, one by one, before
they remove them from the event store: so what comes back is never what was to go.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import groupby
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Select, bindparam, delete, func, insert, literal, select

from tallystick.database.engine import Database
from tallystick.events.record import Record
from tallystick.journal.batches import Batch, decode_batch, encode_batch
from tallystick.journal.tables import journal, journal_tail

BATCHES_AT_ONCE = 50  # rewritten in one transaction: nobody waits long for it
_COPIED = select(
    journal.c.org_id, journal.c.first_index, journal.c.events, journal.c.body, func.length(journal.c.body)
).where(journal.c.org_id == bindparam("org"), journal.c.first_index + journal.c.events <= bindparam("stored_end"))
_COLUMNS = ("org_id", "first_index", "events", "body", "bytes", "kept_at")


def keep_stored(connection: Connection, stored_ends: Mapping[UUID, int], *, now: int) -> None:
    """Copy the batches whose every index is below the stored end of their organization. `now` in µs since 1970."""
    kept = insert(journal_tail).from_select(_COLUMNS, _COPIED.add_columns(literal(now)))
    for org_id, end in stored_ends.items():
        connection.execute(kept, {"org": org_id, "stored_end": end})


def read(connection: Connection, org_id: UUID, first: int, end: int, *, most: int) -> list[Batch]:
    """The kept batches that hold any index of first ≤ index < end, in order; at most about `most` events."""
    batches: list[Batch] = []
    held = 0
    for row in connection.execute(_overlapping(org_id, first, end)):
        batches.append(decode_batch(org_id, row))
        held += row.events
        if held >= most:
            break
    return batches


def remove(database: Database, org_id: UUID, indexes: Sequence[int], must_wait: Callable[[Connection], bool]) -> bool:
    """Remove these events (indexes ascending); False if `must_wait` said so in between: try again later.

    The other events of a batch stay. `must_wait` is asked in each transaction.
    """
    at = 0
    while at < len(indexes):
        with database.write() as connection:
            if must_wait(connection):
                return False
            for _ in range(BATCHES_AT_ONCE):
                row = connection.execute(_overlapping(org_id, indexes[at], indexes[-1] + 1).limit(1)).first()
                if row is None:
                    return True
                end = row.first_index + row.events
                after = bisect_left(indexes, end)
                if removed := set(indexes[bisect_left(indexes, row.first_index) : after]):
                    _rewrite(connection, decode_batch(org_id, row), removed)
                at = after
                if at == len(indexes):
                    return True
    return True


def trim(connection: Connection, *, before: int, most_bytes: int) -> None:
    """Delete batches kept before that time (µs since 1970), and the oldest until at most `most_bytes` are left."""
    connection.execute(delete(journal_tail).where(journal_tail.c.kept_at < before))
    if size(connection) > most_bytes:
        newer = func.sum(journal_tail.c.bytes).over(order_by=journal_tail.c.kept_at.desc())
        counted = select(journal_tail.c.kept_at, newer.label("bytes_since")).subquery()
        beyond = select(func.max(counted.c.kept_at)).where(counted.c.bytes_since > most_bytes)
        connection.execute(delete(journal_tail).where(journal_tail.c.kept_at <= beyond.scalar_subquery()))


def size(connection: Connection) -> int:
    """The number of bytes in it."""
    return int(connection.execute(select(func.coalesce(func.sum(journal_tail.c.bytes), 0))).scalar_one())


def _overlapping(org_id: UUID, first: int, end: int) -> Select[tuple[int, int, bytes]]:
    kept = journal_tail.c
    start = select(func.max(kept.first_index)).where(kept.org_id == org_id, kept.first_index <= first)
    return (
        select(kept.first_index, kept.events, kept.body)
        .where(kept.org_id == org_id, kept.first_index < end)
        .where(kept.first_index >= func.coalesce(start.scalar_subquery(), 0), kept.first_index + kept.events > first)
        .order_by(kept.first_index)
    )


def _rewrite(connection: Connection, batch: Batch, removed: Set[int]) -> None:
    """Replace the batch by batches of the runs between its removed events."""
    mine = (journal_tail.c.org_id == batch.org_id) & (journal_tail.c.first_index == batch.first)
    kept_at = connection.execute(select(journal_tail.c.kept_at).where(mine)).scalar_one()
    connection.execute(delete(journal_tail).where(mine))
    for is_removed, run in groupby(enumerate(batch.records, batch.first), lambda one: one[0] in removed):
        if not is_removed:
            _insert(connection, batch.org_id, list(run), kept_at)


def _insert(connection: Connection, org_id: UUID, run: Sequence[tuple[int, Record]], kept_at: int) -> None:
    body = encode_batch([msgspec.msgpack.encode(record) for _index, record in run])
    row = {
        "org_id": org_id, "first_index": run[0][0], "events": len(run), "body": body, "bytes": len(body),
        "kept_at": kept_at,
    }  # fmt: skip
    connection.execute(insert(journal_tail), row)
