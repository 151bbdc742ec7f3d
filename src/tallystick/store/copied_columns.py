"""Rows with the columns that are copies of their parts, for the integrity check to compare."""

from collections.abc import Iterator, Sequence
from typing import Any

from tallystick.events.record import Record, StoredEvent
from tallystick.query.conditions import MULTIPLE, Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import compile_bounded
from tallystick.store.erasing import index_chunks
from tallystick.store.events import EventStore
from tallystick.store.rows import ROW_COLUMNS, client_text, ipv6_bytes, search_text
from tallystick.store.schema import SEARCHED_AFTER

_TEXTS = tuple(name for name in ROW_COLUMNS[10:] if name in Record.__struct_fields__)
_COLUMNS = (
    "seq", "id", "toUnixTimestamp64Micro(received_at)", "toUnixTimestamp64Micro(occurred_at)",
    "what", "target", "who", "details", "seed", "remains", *_TEXTS, "toString(ip)", "details_paths", "search_text",
    "client_text",
)  # fmt: skip
_PARTS = 10
# The end of a text for search in which the fields are empty that earlier versions did not have: reason, original action
# and further resources.
_LATER_TEXT = "\0" * (len(SEARCHED_AFTER) + 1)


def rows_with_copies(
    store: EventStore, scope: Scope, first: int, end: int
) -> Iterator[tuple[StoredEvent, dict[str, Any]]]:
    """Every row with first ≤ index < end, ordered by index, duplicates included, with its copied columns."""
    bound = compile_bounded(scope, Query())
    statement = (
        f"SELECT {', '.join(_COLUMNS)} FROM events WHERE {bound.where} "
        "AND seq >= {first:Int64} AND seq < {end:Int64} ORDER BY seq"
    )
    for row in store.rows(statement, bound.parameters | {"first": first, "end": end}, raw_text=True):
        event = StoredEvent(row[0], row[1].bytes, *row[2:_PARTS])
        copies = dict(
            zip((*_TEXTS, "ip", "details_paths", "search_text", "client_text"), map(_plain, row[_PARTS:]), strict=True)
        )
        yield event, copies


def indexes_held(store: EventStore, scope: Scope, first: int, end: int) -> dict[int, bytes]:
    """The stored indexes with first ≤ index < end; for an event that lost parts, with what remains of them."""
    bound = compile_bounded(scope, Query())
    statement = (
        f"SELECT seq, remains FROM events WHERE {bound.where} AND seq >= {{first:Int64}} AND seq < {{end:Int64}}"
    )
    rows = store.rows(statement, bound.parameters | {"first": first, "end": end}, raw_text=True)
    return {row[0]: row[1] for row in rows}


def held_among(store: EventStore, scope: Scope, indexes: Sequence[int]) -> set[int]:
    """Those of the indexes that are stored."""
    found: set[int] = set()
    for where, parameters in index_chunks(scope, indexes):
        found.update(row[0] for row in store.rows(f"SELECT seq FROM events WHERE {where}", parameters))
    return found


def count_by_block(store: EventStore, scope: Scope, first: int, end: int, block: int) -> dict[int, int]:
    """The number of distinct stored indexes with first ≤ index < end in each block of `block` indexes, by its number.

    Costs the engine a bit for each index of the range; a block without events is left out.
    """
    bound = compile_bounded(scope, Query())
    statement = (
        f"SELECT intDiv(seq, {int(block)}) AS block, groupBitmap(seq) FROM events WHERE {bound.where} "
        "AND seq >= {first:Int64} AND seq < {end:Int64} GROUP BY block"
    )
    return {row[0]: row[1] for row in store.rows(statement, bound.parameters | {"first": first, "end": end})}


def highest_index(store: EventStore, scope: Scope) -> int:
    """The largest stored index; -1 if there is none."""
    bound = compile_bounded(scope, Query())
    found = store.rows(f"SELECT max(seq), count() FROM events WHERE {bound.where}", bound.parameters)[0]
    return int(found[0]) if found[1] else -1


def copies_expected(record: Record) -> dict[str, Any]:
    """The copied columns as the parts give them."""
    said = {name: list(value) if name in MULTIPLE else value for name in _TEXTS for value in [getattr(record, name)]}
    others = {"ip": record.ip_address, "details_paths": list(record.paths), "search_text": search_text(record)}
    others["client_text"] = client_text(record)
    return said | others


def differing_columns(record: Record, copies: dict[str, Any]) -> list[str]:
    """The names of the columns that differ from what the parts say.

    In a table that is not rebuilt yet, the text for search of an event of an earlier version lacks the later fields,
    which such an event does not have.
    """
    expected = copies_expected(record)
    if not record.severity and copies["search_text"] + _LATER_TEXT == expected["search_text"]:
        expected["search_text"] = copies["search_text"]
    wrong = [name for name, value in copies.items() if name != "ip" and value != expected[name]]
    return wrong + (["ip"] if ipv6_bytes(copies["ip"]) != ipv6_bytes(record.ip_address) else [])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
