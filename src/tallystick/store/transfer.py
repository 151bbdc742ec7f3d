"""Copies whole rows out of one store and into another: every column, in runs of the table's order."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO
from uuid import UUID

import pyarrow as pa

from tallystick.events.record import StoredEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import compile_bounded
from tallystick.store.erasing import window_end
from tallystick.store.events import EventStore, Holding
from tallystick.store.rows import arrow_stream, recompute, table_of
from tallystick.store.schema import ANY_SIZE, COLUMNS, REBUILD
from tallystick.store.windows import Place, Window, narrowed, order_by

# What can be written as it was read: the others exist only while a row is made.
COPIED = tuple(name for name, kind in COLUMNS if "EPHEMERAL" not in kind)
# The columns that make a StoredEvent, in the order of its fields.
_EVENT = ("seq", "id", "received_at", "occurred_at", "what", "target", "who", "details", "seed", "remains")
RUN = 50_000
ROWS_AT_ONCE = 32_768
BYTES_AT_ONCE = 64 << 20


def copy_windows(store: EventStore, scope: Scope) -> Iterator[Window]:
    """The organization's rows in windows of at most RUN rows, in timestamp order."""
    place: Place | None = None
    while True:
        far = window_end(store, scope, place, RUN)
        yield Window(place, far)
        if far is None:
            return
        place = far


def rows_of(store: EventStore, scope: Scope, window: Window, first: int, end: int) -> Iterator[bytes]:
    """The window's rows with first ≤ index < end as an Arrow stream, in pieces."""
    where, parameters = narrowed(compile_bounded(scope, Query()), window, "asc")
    statement = (
        f"SELECT {', '.join(COPIED)} FROM events WHERE {where} AND seq >= {{first:UInt64}} AND seq < {{end:UInt64}} "
        f"{order_by('asc')}"
    )
    return store.raw(statement, parameters | {"first": first, "end": end})


def count_in(file: BinaryIO) -> int:
    """The number of rows in such an Arrow stream file."""
    with pa.ipc.open_stream(file) as reader:
        return sum(batch.num_rows for batch in reader)


def events_in(file: BinaryIO) -> Iterator[list[StoredEvent]]:
    """The events of such a file in blocks, by their parts: without the columns that are copies of these."""
    with pa.ipc.open_stream(file) as reader:
        for batch in reader:
            columns = [_plain(batch.column(name)) for name in _EVENT]
            yield list(map(StoredEvent, *columns))


def _plain(column: pa.Array) -> list[Any]:
    if isinstance(column, pa.ExtensionArray):  # ids
        column = column.storage
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return list((column.cast(pa.binary()) if pa.types.is_string(column.type) else column).to_pylist())


def insert_from(store: EventStore, file: BinaryIO, name: str, *, is_older: bool) -> Iterator[int]:
    """Insert the rows of such a file in bounded batches; yields the size of each. `name` must be unique to the file.

    `is_older`: the rows are of another version of the table; all that is not stored of an event is computed anew.
    """
    with pa.ipc.open_stream(file) as reader:
        for number, batches in enumerate(_bounded(reader)):
            table = pa.Table.from_batches(batches, reader.schema)
            made = recomputed(table) if is_older else table
            store.insert_raw(made.column_names, arrow_stream(made), f"{name}/{number}")
            yield table.num_rows


def recomputed(table: pa.Table) -> pa.Table:
    """Such rows with all that is computed from their parts as this version does it."""
    org_ids, *columns = (_plain(table[name].combine_chunks()) for name in ("org_id", *_EVENT))
    events = map(StoredEvent, *columns)
    return table_of(
        (UUID(bytes=org_id), event.index, [recompute(event)]) for org_id, event in zip(org_ids, events, strict=True)
    )


def _bounded(reader: Iterable[Any]) -> Iterator[list[Any]]:
    """The batches in groups that fit into one insert."""
    some: list[Any] = []
    for batch in reader:
        some.append(batch)
        if sum(one.num_rows for one in some) >= ROWS_AT_ONCE or sum(one.nbytes for one in some) >= BYTES_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def count_below(store: EventStore, scope: Scope, end: int) -> int:
    """The number of the organization's rows with an index below `end`."""
    return held_below(store, scope, end).rows


def held_below(store: EventStore, scope: Scope, end: int) -> Holding:
    """What the store holds of the organization below index `end`."""
    bound = compile_bounded(scope, Query())
    columns = "groupBitmap(seq), count(), if(count() = 0, -1, toInt64(max(seq)))"
    statement = f"SELECT {columns} FROM events WHERE {bound.where} AND seq < {{end:UInt64}}"
    return Holding(*map(int, store.rows(statement, bound.parameters | {"end": end})[0]))


def count(store: EventStore) -> int:
    """The number of rows of all organizations."""
    return int(store.rows("SELECT count() FROM events", {})[0][0])


def clear(store: EventStore) -> None:
    """Delete every row and the record of applied erasures. The store gets a new identity and this version's table."""
    for table in ("store_erasing", "store_replayed", "store_identity"):
        store.change(f"TRUNCATE TABLE {table}")
    for table in (REBUILD, "events"):
        store.change(f"DROP TABLE IF EXISTS {table} SYNC", settings=ANY_SIZE)
    store.open()
