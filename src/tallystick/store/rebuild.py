"""The rebuild of the table of events: every row is made anew in a copy of the table, which then takes its place.

The copy is compared with the table piece by piece, and where they differ it is brought to what the table holds. So the
two tables themselves say how far a rebuild came: whatever was recorded, erased or purged meanwhile, or cut off by a
crash, shows as a difference.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from tallystick.events.record import Record
from tallystick.store import doubled, read_back
from tallystick.store.bounded_rows import bounded_rows
from tallystick.store.events import EventStore
from tallystick.store.expiry import AT_ONCE
from tallystick.store.rows import arrow_stream, groups_of, recompute, table_of
from tallystick.store.schema import ANY_SIZE, CREATE_SETTINGS, REBUILD, REFUSE_BROKEN_PARTS, STORE_VERSION, create_table
from tallystick.store.source_parts import KEPT_SOURCES
from tallystick.store.versions import TableVersion, noted_version, version_of

TABLE, COPY = "events", REBUILD
PIECE = 1 << 14  # indexes
WINDOW = 1 << 22  # indexes that one statement compares
MOST_BYTES = 32 << 20  # of the four parts of rows that are in memory at once
ORGANIZATIONS_AT_ONCE = 500  # small ones, in one statement
SMALL_PIECE = 1 << 10  # rows
# What decides whether a row of the copy is still the row of the table: its key, and what it lost by an erasure.
_PRINT = "cityHash64(seq, id, received_at, occurred_at, remains)"
_RANGE = "org_id = {org:UUID} AND seq >= {first:UInt64} AND seq < {end:UInt64}"
_RANGES = "org_id IN {orgs:Array(UUID)} AND seq >= {first:UInt64} AND seq < {end:UInt64}"
_SIZE = "length(what) + length(target) + length(who) + length(details)"
_SOME = f"{_RANGE} AND seq IN {{indexes:Array(UInt64)}}"


class Piece(NamedTuple):
    """The indexes first ≤ index < end of an organization, in which the copy differs from the table.

    `rows` and `copied`: how many the table has of it, and the copy.
    """

    org_id: UUID
    first: int
    end: int
    rows: int
    copied: int

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statements over the piece need."""
        return {"org": str(self.org_id), "first": self.first, "end": self.end}


class Progress(NamedTuple):
    """How many rows the copy has, and the table."""

    rows: int
    of_rows: int


def copy_version(store: EventStore) -> TableVersion | None:
    """The version of the copy, or after the exchange of the old table; None if there is none.

    A copy may be of a newer version, which began a rebuild and was replaced by this program.
    """
    here = f"database = currentDatabase() AND {{}} = '{COPY}'"
    comment = store.rows(f"SELECT comment FROM system.tables WHERE {here.format('name')}", {})
    if not comment:
        return None
    if (noted := noted_version(comment[0][0])) is not None:
        return noted
    columns = store.rows(f"SELECT name FROM system.columns WHERE {here.format('table')}", {})
    return version_of(comment[0][0], {row[0] for row in columns})


def is_of_another_rebuild(store: EventStore, copy: int) -> bool:
    """Whether there is a table with the copy's name that `prepare` drops."""
    return copy_version(store) not in (None, TableVersion(STORE_VERSION, copy))


def prepare(store: EventStore, copy: int) -> bool:
    """Make the copy of that number, unless it is there: then True. What an earlier rebuild left is dropped."""
    wanted, there = TableVersion(STORE_VERSION, copy), copy_version(store)
    if there is not None and there != wanted:
        drop_old(store)
    if there != wanted:
        store.change(create_table(COPY, copy), settings=CREATE_SETTINGS)
    return there == wanted


def drop_broken_parts(store: EventStore) -> Iterator[str]:
    """Drop the damaged parts of a copy that another process left, which may not have read back the last; yields all."""
    for name in sorted(read_back.active_parts(store, COPY)):
        if read_back.broken_parts(store, [name], COPY):
            store.change(f"ALTER TABLE {COPY} DROP PART '{name}'")
        yield name


def bytes_of(store: EventStore, table: str) -> int:
    """The bytes that the table has on the disk."""
    return _sum_of_parts(store, "bytes_on_disk", table)


def read_progress(store: EventStore) -> Progress:
    """How far the rebuild is."""
    return Progress(_sum_of_parts(store, "rows", COPY), _sum_of_parts(store, "rows", TABLE))


def _sum_of_parts(store: EventStore, column: str, table: str) -> int:
    statement = (
        f"SELECT sum({column}) FROM system.parts WHERE database = currentDatabase() AND table = {{table:String}} "
        "AND active"
    )
    return int(store.rows(statement, {"table": table})[0][0])


def compare(store: EventStore) -> Iterator[list[Piece]]:
    """The pieces in which the copy differs from the table, of one window of indexes after the other.

    Memory grows with the organizations, not with their events.
    """
    ends = "SELECT org_id, max(seq) AS last FROM {} GROUP BY org_id"
    both = f"SELECT org_id, max(last) FROM ({ends.format(TABLE)} UNION ALL {ends.format(COPY)}) GROUP BY org_id"
    for window in _windows(store.rows(both, {})):
        held, made = _prints_by_piece(store, TABLE, window), _prints_by_piece(store, COPY, window)
        differing = sorted(place for place in held.keys() | made.keys() if held.get(place) != made.get(place))
        found = []
        for org_id, number in differing:
            rows, copied = (counts.get((org_id, number), (0, 0))[0] for counts in (held, made))
            found.append(Piece(org_id, number * PIECE, (number + 1) * PIECE, rows, copied))
        yield found


def _windows(ends: Iterable[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The parameters of the statements that compare: a window of one organization, or several small organizations."""
    together: list[str] = []
    indexes = 0
    for org_id, last in ends:
        if together and (indexes + last >= WINDOW or len(together) == ORGANIZATIONS_AT_ONCE):
            yield {"orgs": together, "first": 0, "end": WINDOW}
            together, indexes = [], 0
        if last < WINDOW:
            together.append(str(org_id))
            indexes += last + 1
            continue
        for first in range(0, last + 1, WINDOW):
            yield {"orgs": [str(org_id)], "first": first, "end": first + WINDOW}
    if together:
        yield {"orgs": together, "first": 0, "end": WINDOW}


def _prints_by_piece(store: EventStore, table: str, window: dict[str, Any]) -> dict[tuple[UUID, int], tuple[int, int]]:
    statement = (
        f"SELECT org_id, intDiv(seq, {PIECE}) AS piece, count(), groupBitXor({_PRINT}) FROM {table} WHERE {_RANGES} "
        "GROUP BY org_id, piece"
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in store.rows(statement, window)}


def only_in_copy(store: EventStore, piece: Piece) -> list[int]:
    """The indexes of the piece that the copy holds, and the table does not."""
    copied, held = (f"SELECT seq FROM {table} WHERE {_RANGE}" for table in (COPY, TABLE))
    statement = f"SELECT DISTINCT seq FROM ({copied}) WHERE seq NOT IN ({held}) ORDER BY seq"
    return [row[0] for row in store.rows(statement, piece.parameters)]


def take_pieces(pieces: list[Piece]) -> list[Piece]:
    """Take from the list the pieces that `copy_pieces` copies next: one, or small ones of several organizations."""
    taken = [pieces.pop(0)]
    rows = taken[0].rows
    while (
        pieces
        and max(taken[0].rows, pieces[0].rows) <= SMALL_PIECE
        and not (taken[0].copied or pieces[0].copied)
        and pieces[0].first == taken[0].first
        and rows + pieces[0].rows <= PIECE
        and len(taken) < ORGANIZATIONS_AT_ONCE
    ):
        rows += pieces[0].rows
        taken.append(pieces.pop(0))
    return taken


def copy_pieces(store: EventStore, pieces: Sequence[Piece]) -> int:
    """Bring the copy to what the table holds of the pieces of `take_pieces`; returns how many rows were copied."""
    left = {piece.org_id: piece for piece in pieces}
    total = 0
    if len(pieces) > 1:
        for numbered in _new_rows(store, pieces):
            total += _copy_together(store, pieces[0], numbered)
            for org_id in numbered:
                del left[org_id]
    return total + sum(copy_piece(store, piece) for piece in left.values())


def _new_rows(store: EventStore, pieces: Sequence[Piece]) -> Iterator[dict[UUID, dict[bytes, int]]]:
    """Of the organizations of which the copy has no row yet, and the table none twice: the index of each event's id.

    As many at once as MOST_BYTES allows; one with more is left out, and one whose ids another has too.
    """
    window = _window(pieces[0], [piece.org_id for piece in pieces])
    begun = {row[0] for row in store.rows(f"SELECT DISTINCT org_id FROM {COPY} WHERE {_RANGES}", window)}
    statement = f"SELECT org_id, seq, id, {_SIZE} FROM {TABLE} WHERE {_RANGES} ORDER BY org_id"
    together: dict[UUID, dict[bytes, int]] = {}
    size, seen = 0, set[bytes]()
    for org_id, group in groupby(store.rows(statement, window), itemgetter(0)):
        rows = list(group)
        of_all = sum(row[3] for row in rows)
        numbered = {row[2].bytes: row[1] for row in rows}
        is_plain = len(numbered) == len(rows) == len(set(numbered.values())) and seen.isdisjoint(numbered)
        if org_id in begun or of_all > MOST_BYTES or not is_plain:
            continue
        seen |= numbered.keys()
        if size + of_all > MOST_BYTES:
            yield together
            together, size = {}, 0
        together[org_id] = numbered
        size += of_all
    if together:
        yield together


def _copy_together(store: EventStore, like: Piece, numbered: dict[UUID, dict[bytes, int]]) -> int:
    """Copy these rows of several organizations, whose pieces have the same indexes as `like`."""
    window = _window(like, numbered)
    owners = {event_id: org_id for org_id, events in numbered.items() for event_id in events}
    records: dict[UUID, list[tuple[int, Record]]] = {}
    for event in store.read(_RANGES, "ORDER BY seq", window):
        if event.id in owners:  # others came meanwhile: the next comparison finds them
            records.setdefault(owners[event.id], []).append((event.index, recompute(event)))
    groups = [group for org_id, events in records.items() for group in groups_of(org_id, events)]
    if not groups:
        return 0
    sent = table_of(groups)
    store.insert_into(COPY, sent.column_names, arrow_stream(sent))
    try:
        read_back.compare(sent, read_back.read(store, COPY, _RANGES, window))
    except read_back.NotReadBack:
        store.change(f"DELETE FROM {COPY} WHERE {_RANGES}", window)
        raise
    return int(sent.num_rows)


def _window(like: Piece, org_ids: Iterable[UUID]) -> dict[str, Any]:
    return {"orgs": list(map(str, org_ids)), "first": like.first, "end": like.end}


def copy_piece(store: EventStore, piece: Piece) -> int:
    """Bring the copy to what the table holds of this piece; returns how many rows were copied.

    Each row is computed from its four parts, and read back.
    """
    doubled.remove(store, piece.org_id, piece.first, piece.end)
    held, made = _prints(store, TABLE, piece), _prints(store, COPY, piece)
    if len(made) < _count(store, COPY, piece):  # two processes have copied it
        store.change(f"DELETE FROM {COPY} WHERE {_RANGE}", piece.parameters)
        made = {}
    _delete(store, piece, sorted(index for index, seen in made.items() if held.get(index) != seen))
    missing = sorted(index for index, seen in held.items() if made.get(index) != seen)
    total = 0
    for where, parameters, wanted in _reads(piece, missing, held):
        copied: list[int] = []
        while len(copied) < len(wanted):
            after = {"after": copied[-1] if copied else -1}
            found = bounded_rows(
                store, f"{where} AND seq > {{after:Int64}}", "ORDER BY seq", parameters | after,
                need=PIECE, most_bytes=MOST_BYTES,
            )  # fmt: skip
            if not found.events:  # deleted meanwhile; otherwise the next comparison finds them
                break
            indexes = [event.index for event in found.events]
            _insert(store, piece, list(map(recompute, found.events)), indexes)
            copied += indexes
        total += len(copied)
    return total


def _prints(store: EventStore, table: str, piece: Piece) -> dict[int, int]:
    rows = store.rows(f"SELECT seq, {_PRINT} FROM {table} WHERE {_RANGE}", piece.parameters)
    return {row[0]: row[1] for row in rows}


def _count(store: EventStore, table: str, piece: Piece) -> int:
    return int(store.rows(f"SELECT count() FROM {table} WHERE {_RANGE}", piece.parameters)[0][0])


def _delete(store: EventStore, piece: Piece, stale: Sequence[int]) -> None:
    for start in range(0, len(stale), AT_ONCE):
        some = {"indexes": stale[start : start + AT_ONCE]}
        store.change(f"DELETE FROM {COPY} WHERE {_SOME}", piece.parameters | some)


def _reads(
    piece: Piece, missing: Sequence[int], held: Iterable[int]
) -> Iterator[tuple[str, dict[str, Any], Sequence[int]]]:
    """The conditions and parameters that find the missing rows, with the indexes that each finds."""
    if not missing:
        return
    bounds = piece.parameters | {"first": missing[0], "end": missing[-1] + 1}
    if len(missing) == sum(missing[0] <= index <= missing[-1] for index in held):
        yield _RANGE, bounds, missing
        return
    for start in range(0, len(missing), AT_ONCE):
        some = missing[start : start + AT_ONCE]
        yield _SOME, bounds | {"indexes": some}, some


def _insert(store: EventStore, piece: Piece, records: Sequence[Record], indexes: Sequence[int]) -> None:
    """Insert the rows into the copy and read them back; raises NotReadBack."""
    sent = table_of(groups_of(piece.org_id, zip(indexes, records, strict=True)))
    store.insert_into(COPY, sent.column_names, arrow_stream(sent))
    bounds = piece.parameters | {"first": indexes[0], "end": indexes[-1] + 1}
    is_whole_range = len(indexes) == indexes[-1] + 1 - indexes[0]
    at_once = len(indexes) if is_whole_range else AT_ONCE
    try:
        for start in range(0, len(indexes), at_once):
            some = indexes[start : start + at_once]
            where = _RANGE if is_whole_range else _SOME
            held = read_back.read(store, COPY, where, bounds | ({} if is_whole_range else {"indexes": some}))
            read_back.compare(sent.slice(start, len(some)), held)
    except read_back.NotReadBack:
        _delete(store, piece, indexes)
        raise


def has_equal_counts(store: EventStore) -> bool:
    """Whether the copy has as many rows as the table."""
    row = store.rows(f"SELECT (SELECT count() FROM {TABLE}), (SELECT count() FROM {COPY})", {})[0]
    return bool(row[0] == row[1])


def apply_deletions(store: EventStore) -> None:
    """Rewrite the parts of the copy that hold rows which the table lost meanwhile, so that their bytes go."""
    masked = f"database = currentDatabase() AND table = '{COPY}' AND active AND has_lightweight_delete"
    if store.rows(f"SELECT count() FROM system.parts WHERE {masked}", {})[0][0]:
        store.change(f"ALTER TABLE {COPY} APPLY DELETED MASK")


def changes_are_running(store: EventStore) -> bool:
    """Whether the store still executes a deletion or an erasure in one of both tables."""
    unfinished = f"database = currentDatabase() AND table IN ('{TABLE}', '{COPY}') AND NOT is_done"
    return bool(store.rows(f"SELECT count() FROM system.mutations WHERE {unfinished}", {})[0][0])


def exchange(store: EventStore) -> None:
    """Let the copy and the table swap their names, in one step."""
    store.change(f"EXCHANGE TABLES {TABLE} AND {COPY}")
    store.change(REFUSE_BROKEN_PARTS)
    store.change(f"ALTER TABLE {COPY} MODIFY SETTING max_suspicious_broken_parts = 100")  # the engine's own
    store.version()


def free_bytes(store: EventStore) -> int:
    """The free space of the disks that the store keeps the table on."""
    policy = f"SELECT storage_policy FROM system.tables WHERE database = currentDatabase() AND name = '{TABLE}'"
    disks = f"SELECT arrayJoin(disks) FROM system.storage_policies WHERE policy_name = ({policy})"
    return int(store.rows(f"SELECT sum(free_space) FROM system.disks WHERE name IN ({disks})", {})[0][0])


def store_seconds(store: EventStore) -> int:
    """The time of the store, in seconds since 1970."""
    return int(store.rows("SELECT toUnixTimestamp(now())", {})[0][0])


def holds_deleted_bytes(store: EventStore, since: int) -> bool:
    """Whether replaced parts may still hold bytes of rows that were deleted from the copy before this time."""
    here = f"database = currentDatabase() AND table = '{TABLE}'"
    changes = store.rows(f"SELECT count() FROM system.mutations WHERE {here}", {})[0][0]
    replaced = f"SELECT count() FROM system.parts WHERE {here} AND NOT active AND toUnixTimestamp(remove_time) <= "
    return bool(changes and store.rows(f"{replaced}{{since:UInt64}}", {"since": since})[0][0])


def drop_old(store: EventStore) -> str:
    """Drop the table that the copy has replaced; returns its new name if it has detached parts, which stay, else ""."""
    no_part = f"name = '{KEPT_SOURCES}' AND bytes_on_disk = 0"  # their folder, which is always there
    here = f"database = currentDatabase() AND table = '{COPY}'"
    detached = f"SELECT count() FROM system.detached_parts WHERE {here} AND NOT ({no_part})"
    if not store.rows(detached, {})[0][0]:
        _drop(store)
        return ""
    begin = f"{TABLE}_set_aside_"
    earlier = "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {begin:String})"
    kept = f"{begin}{len(store.rows(earlier, {'begin': begin}))}"
    store.change(f"TRUNCATE TABLE {COPY}", settings=ANY_SIZE)
    store.change(f"RENAME TABLE {COPY} TO {kept}")
    return kept


def _drop(store: EventStore) -> None:
    store.change(f"DROP TABLE IF EXISTS {COPY} SYNC", settings=ANY_SIZE)
