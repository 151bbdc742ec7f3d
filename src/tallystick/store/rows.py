"""Records as rows of the events table, in Arrow's stream format."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import structlog
from msgspec.structs import astuple

from tallystick.events.copies import record_of
from tallystick.events.record import Record, StoredEvent
from tallystick.query.case_folding import fold
from tallystick.query.conditions import MULTIPLE
from tallystick.store.schema import CLIENT, SEARCHED, SEARCHED_AFTER, SEARCHED_LISTS

Group = tuple[UUID, int, Sequence[Record]]
"""An organization, the index of the first record, the records in index order without a gap."""

ROW_COLUMNS = (
    "org_id", "seq", "id", "occurred_at", "received_at", "seed", "what", "target", "who", "details",
    "action", "category", "status", "description", "actor_type", "actor_id", "actor_email", "actor_name",
    "behalf_id", "behalf_email", "behalf_name", "resource_type", "resource_id", "resource_name",
    "ip_address", "ip", "session_id", "request_id", "details_paths", "details_values",
    *Record.__struct_fields__[Record.__struct_fields__.index("severity") :],
)  # fmt: skip

# Few enough for the processor's caches: records that are decoded when they are taken, made into columns, and dropped
# before the next ones, cost half of what a whole shipment of them does.
CHUNK = 256
logger = structlog.get_logger(__name__)
_BINARY16 = pa.binary(16)
_TIME = pa.timestamp("us", "UTC")
_LISTS = frozenset({"details_paths", "details_values", *MULTIPLE})
# The columns that are never left out, and the names of fields that differ from their column's.
_TYPES = {
    "id": _BINARY16, "occurred_at": _TIME, "received_at": _TIME, "seed": _BINARY16,
    "what": pa.binary(), "target": pa.binary(), "who": pa.binary(), "details": pa.binary(),
}  # fmt: skip
_FIELDS = {"details_paths": "paths", "details_values": "values"}
_COPIED_TEXT = tuple(name for name in ROW_COLUMNS[10:] if name in Record.__struct_fields__ and name not in MULTIPLE)
_searched = attrgetter(*SEARCHED)
_searched_after = attrgetter(*SEARCHED_AFTER)
_client = attrgetter(*CLIENT)
_searched_lists = attrgetter(*SEARCHED_LISTS)


@lru_cache(maxsize=65_536)
def ipv6_bytes(address: str) -> bytes:
    """An address as 16 bytes, IPv4 mapped into ::ffff:0:0/96; no address is 16 zero bytes."""
    if not address:
        return bytes(16)
    parsed = ipaddress.ip_address(address)
    return parsed.packed if parsed.version == 6 else bytes(10) + b"\xff\xff" + parsed.packed


def _lists(values: Iterable[tuple[str, ...]]) -> pa.ListArray:
    offsets = [0]
    total = 0
    for value in values:
        total += len(value)
        offsets.append(total)
    flat = pa.array(list(chain.from_iterable(values)), pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def arrow_stream(table: pa.Table) -> bytes:
    """A table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def groups_of(org_id: UUID, numbered: Iterable[tuple[int, Record]]) -> list[Group]:
    """The records with their indexes (ascending) as groups without gaps."""
    runs: list[tuple[int, list[Record]]] = []
    for index, record in numbered:
        if runs and runs[-1][0] + len(runs[-1][1]) == index:
            runs[-1][1].append(record)
        else:
            runs.append((index, [record]))
    return [(org_id, first, records) for first, records in runs]


def table_of(groups: Iterable[Group]) -> pa.Table:
    """The groups as a table of ROW_COLUMNS, and `remains` if an event has lost parts.

    A column of texts or lists that are all empty is left out: the store fills it in at a small part of the cost, and
    most events use few of the columns.
    """
    chunks = [_columns(*chunk) for chunk in _chunks(groups)]
    used = frozenset(chain.from_iterable(chunks))
    names = [name for name in (*ROW_COLUMNS, "remains") if name in used]
    return pa.table({name: _joined(name, chunks) for name in names})


def _chunks(groups: Iterable[Group]) -> Iterator[tuple[list[bytes], list[int], list[Record]]]:
    """The rows of the groups, about CHUNK at a time: organizations, indexes and records. The last may have none."""
    organizations: list[bytes] = []
    indexes: list[int] = []
    records: list[Record] = []
    for org_id, first, members in groups:
        for at in range(0, len(members), CHUNK):
            some = members[at : at + CHUNK]
            organizations += [org_id.bytes] * len(some)
            indexes += range(first + at, first + at + len(some))
            records += some
            if len(records) >= CHUNK:
                yield organizations, indexes, records
                organizations, indexes, records = [], [], []
    yield organizations, indexes, records


def _columns(organizations: list[bytes], indexes: list[int], records: list[Record]) -> dict[str, pa.Array]:
    """The columns of some rows, without those whose every text or list is empty."""
    given = dict(zip(Record.__struct_fields__, zip(*map(astuple, records), strict=True), strict=bool(records)))
    columns: dict[str, pa.Array] = {
        "org_id": pa.array(organizations, _BINARY16),
        "seq": pa.array(indexes, pa.uint64()),
        "ip": pa.array(map(ipv6_bytes, given.get("ip_address", ())), _BINARY16),
    }
    for name in (*ROW_COLUMNS, "remains"):
        values = given.get(_FIELDS.get(name, name), ())
        if name in _TYPES:
            columns[name] = pa.array(values, _TYPES[name])
        elif name not in columns and any(values):
            text = pa.binary() if name == "remains" else pa.string()
            columns[name] = _lists(values) if name in _LISTS else pa.array(values, text)
    return columns


def _joined(name: str, chunks: Sequence[dict[str, pa.Array]]) -> pa.Array:
    """A column of all chunks; where one of them leaves it out, its values are empty."""
    if len(chunks) == 1:
        return chunks[0][name]
    kind = next(chunk[name].type for chunk in chunks if name in chunk)
    empty: Any = () if name in _LISTS else b"" if name == "remains" else ""
    return pa.concat_arrays(
        [chunk[name] if name in chunk else pa.array([empty] * len(chunk["seq"]), kind) for chunk in chunks]
    )


def search_text(record: Record) -> str:
    """The column `search_text` of an event: NUL between the values, which none of them contains."""
    lists = chain.from_iterable(_searched_lists(record))
    values = "\0".join(record.values)
    return fold("\0".join((*_searched(record), values, *_searched_after(record), "\0".join(lists))))


def client_text(record: Record) -> str:
    """The column `client_text` of an event."""
    return fold("\0".join(_client(record)))


def recompute(event: StoredEvent) -> Record:
    """The record of a stored event, as its parts give it.

    One whose parts cannot be read stays as evidence, without what is computed from them.
    """
    try:
        return record_of(event)
    except (msgspec.DecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        logger.error("parts_not_readable", index=event.index, error=repr(error)[:300])
        nothing: dict[str, Any] = dict.fromkeys(_COPIED_TEXT, "")
        return Record(
            event.id, event.received_at, event.occurred_at, event.seed, b"", event.what, event.target, event.who,
            event.details, paths=(), values=(), remains=event.remains, **nothing,
        )  # fmt: skip
