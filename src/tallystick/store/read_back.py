"""Reads inserted rows back: whether the files of the new parts are whole, or whether each column holds what was sent.

An insert that returned is no proof of that: the engine reported success for parts with empty files on a disk that had
been full for a moment.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.store.rows import ROW_COLUMNS, Group, table_of
from tallystick.store.schema import CLIENT_TEXT, SEARCHED, folded

# What a row holds of the sent columns; `details_values` only feeds `search_text`.
_KEPT = (*(name for name in ROW_COLUMNS if name != "details_values"), "remains")
# The text for search begins with copies; its other values are compared by the integrity check.
_NUL = ",'\\0',"
_IS_SEARCHABLE = (
    f"startsWith(search_text, {folded('concat(' + _NUL.join(SEARCHED) + _NUL + chr(39) * 2 + ')')}) "
    f"AND client_text = {CLIENT_TEXT}"
)
RANGES_AT_ONCE = 50  # in one statement
_GONE = "NO_SUCH_DATA_PART"


class NotReadBack(StoreError):
    """Rows that were inserted cannot be read as they were sent."""


def inserted_parts(store: EventStore) -> dict[str, int]:
    """The number of rows of each active part that came by an insert: no merge or mutation has made it."""
    rows = store.rows(
        "SELECT name, rows FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active "
        "AND level = 0 AND max_block_number = min_block_number",
        {},
    )
    return {row[0]: row[1] for row in rows}


def check_rows(store: EventStore, groups: Sequence[Group]) -> None:
    """Raise NotReadBack unless the store holds every row exactly once, with each column as it was sent.

    Costs about a third of an insert: for rows of which it is not known which part has them, or since when.
    """
    for start in range(0, len(groups), RANGES_AT_ONCE):
        some = groups[start : start + RANGES_AT_ONCE]
        compare(table_of(some), read(store, "events", *_ranges(some)))


def compare(sent: pa.Table, held: pa.Table) -> None:
    """Raise NotReadBack unless `held`, a table of `read`, has the same rows as `sent`."""
    if held.num_rows != sent.num_rows:
        raise NotReadBack(f"{held.num_rows} of {sent.num_rows} rows that were inserted can be read")
    sent, held = _sorted(sent), _sorted(held)
    for name in _KEPT:
        is_same = _bytes(held[name]).equals(_bytes(sent[name])) if name in sent.column_names else _is_empty(held[name])
        if not is_same:
            raise NotReadBack(f"the column {name} does not hold what was inserted")
    if pc.min(held["is_searchable"]).as_py() == 0:
        raise NotReadBack("the column search_text does not hold what was inserted")


def read(store: EventStore, table: str, where: str, parameters: dict[str, Any]) -> pa.Table:
    """The rows of a table, and `is_searchable`: whether the text for search begins as it has to."""
    columns = [f"UUIDToNum({name})" if name in ("org_id", "id") else name for name in _KEPT]
    statement = f"SELECT {', '.join(columns)}, {_IS_SEARCHABLE} FROM {table} WHERE {where}"
    return store.table(statement, parameters, dictionaries=False).rename_columns([*_KEPT, "is_searchable"])


def _ranges(groups: Sequence[Group]) -> tuple[str, dict[str, Any]]:
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    for number, (org_id, first, records) in enumerate(groups):
        conditions.append(
            f"(org_id = {{org{number}:UUID}} AND seq >= {{first{number}:UInt64}} AND seq < {{end{number}:UInt64}})"
        )
        parameters |= {f"org{number}": str(org_id), f"first{number}": first, f"end{number}": first + len(records)}
    return " OR ".join(conditions), parameters


def _sorted(table: pa.Table) -> pa.Table:
    keys = pa.table({"org_id": table["org_id"].cast(pa.binary()), "seq": table["seq"]})
    return table.take(pc.sort_indices(keys, sort_keys=[("org_id", "ascending"), ("seq", "ascending")]))


def _is_empty(column: pa.ChunkedArray) -> bool:
    """Whether every value is an empty text or list, as where `table_of` leaves a column out."""
    is_list = pa.types.is_list(column.type)
    lengths = pc.list_value_length(column) if is_list else pc.binary_length(column)
    return pc.max(lengths).as_py() in (0, None)


def _bytes(column: pa.ChunkedArray) -> pa.Array:
    """The values of a column with every text as bytes."""
    values = column.combine_chunks()
    if pa.types.is_list(values.type):
        return pa.ListArray.from_arrays(values.offsets, _bytes(pa.chunked_array([values.values])))
    is_text = pa.types.is_string(values.type) or pa.types.is_fixed_size_binary(values.type)
    return values.cast(pa.binary()) if is_text else values


def active_parts(store: EventStore, table: str = "events") -> set[str]:
    """The names of the data parts that statements read."""
    statement = "SELECT name FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active"
    return {row[0] for row in store.rows(statement, {"table": table})}


def broken_parts(store: EventStore, parts: Sequence[str], table: str = "events") -> list[str]:
    """Those of the parts whose files are damaged or incomplete, indexes included.

    The engine reads each file and compares it with the checksum that it computed while it wrote it.
    """
    return [name for name in parts if check_part(store, name, table) is False]


def check_part(store: EventStore, name: str, table: str = "events") -> bool | None:
    """Whether the files of a part are whole; None if it is no longer in the table."""
    try:
        rows = store.rows(f"CHECK TABLE {table} PART {_quoted(name)} SETTINGS check_query_single_value_result = 0", {})
    except StoreError as error:
        if _GONE in str(error):  # merged meanwhile, which reads it whole
            return None
        raise
    return all(int(row[1]) for row in rows)


def detach_part(store: EventStore, name: str) -> None:
    """Take a damaged part out of the table; its files stay in the folder `detached` of the table."""
    try:
        store.change(f"ALTER TABLE events DETACH PART {_quoted(name)}")
    except StoreError as error:
        if _GONE not in str(error):  # the engine takes parts out itself when it finds them damaged
            raise


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"
