"""Events as Parquet: one row each with every field; the objects of the details as JSON text."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Raw

from tallystick.events.output import SKEW
from tallystick.events.record import StoredEvent
from tallystick.merkle.remains import lost_parts
from tallystick.render.fields import (
    ContextFields,
    encode_ids,
    parse_actor,
    parse_details,
    parse_target,
    parse_what,
    parse_who,
    summary_of,
)

MAX_ROWS = 50_000
MAX_BYTES = 16 << 20  # of the parts in one row group, which bounds memory
_TIME = pa.timestamp("us", "UTC")
_INT = pa.int64()
_NULL = pa.nulls(1, pa.string())[0]  # a scalar made of a Python value would import pandas, for half a second
_TEXTS = pa.list_(pa.string())


class Column(NamedTuple):
    """A column: its type, the source in `_decode_parts` that values are read from, and the function that reads them.

    With `is_text` an empty value becomes null.
    """

    type: Any
    of: str
    value: Callable[[Any], Any]
    is_text: bool = False


def _text(of: str, field: str) -> Column:
    return Column(pa.string(), of, attrgetter(field), True)


COLUMNS: dict[str, Column] = {
    "id": Column(pa.string(), "id", lambda x: x),
    "index": Column(pa.int64(), "event", attrgetter("index")),
    "timestamp": Column(_TIME, "event", attrgetter("occurred_at")),
    "received_at": Column(_TIME, "event", attrgetter("received_at")),
    "action": _text("what", "action"),
    "category": _text("what", "category"),
    "status": _text("what", "status"),
    "known": Column(pa.bool_(), "known", lambda x: x),
    "summary": Column(pa.string(), "summary", lambda x: x),
    "description": _text("details", "description"),
    "actor_type": _text("actor", "type"),
    "actor_id": _text("actor", "id"),
    "actor_email": _text("actor", "email"),
    "actor_name": _text("actor", "name"),
    "on_behalf_of": _text("actor", "on_behalf_of"),
    "resource_type": _text("target", "type"),
    "resource_id": _text("target", "id"),
    "resource_name": _text("target", "name"),
    "ip_address": _text("context", "ip_address"),
    "user_agent": _text("context", "user_agent"),
    "request_id": _text("context", "request_id"),
    "session_id": _text("context", "session_id"),
    "trace_id": _text("context", "trace_id"),
    "source": _text("context", "source"),
    "changes": _text("details", "changes"),
    "request": _text("details", "request"),
    "response": _text("details", "response"),
    "metadata": _text("details", "metadata"),
    "redacted": Column(_TEXTS, "details", lambda x: x.redacted or None),
    "external_id": _text("what", "external_id"),
    "recorded_by_type": _text("recorder", "type"),
    "recorded_by_id": _text("recorder", "id"),
    "recorded_by_name": _text("recorder", "name"),
    "recorded_by_email": _text("recorder", "email"),
    "clock_skew": Column(pa.bool_(), "event", lambda x: x.occurred_at > x.received_at + SKEW),
    "erased": Column(_TEXTS, "remains", lambda x: list(lost_parts(x)) if x else None),
    "severity": _text("what", "severity"),
    "status_reason": _text("details", "status_reason"),
    "original_action": _text("details", "original_action"),
    "resource_role": _text("target", "role"),
    "resources": _text("target", "resources"),
    **{name: _text("context", name) for name in ContextFields.__struct_fields__[6:]},
    "enriched": Column(_TEXTS, "who", lambda x: x.enriched or None),
}
SCHEMA = pa.schema([(name, column.type) for name, column in COLUMNS.items()])


def write_parquet(
    blocks: Iterable[Sequence[StoredEvent]], target: BinaryIO, metadata: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write all events in row groups, and the metadata of the file; memory stays bounded."""
    # One row group is compressed in a thread while the next is read.
    with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer, ThreadPoolExecutor(1) as beside:
        writing: Future[None] | None = None
        for group in _groups(blocks):
            table = _table(group)
            if writing:
                writing.result()
            writing = beside.submit(writer.write_table, table)
        if writing:
            writing.result()
        if metadata:
            writer.add_key_value_metadata(dict(metadata))


def _groups(blocks: Iterable[Sequence[StoredEvent]]) -> Iterator[list[StoredEvent]]:
    waiting: list[StoredEvent] = []
    held = 0
    for block in blocks:
        for stored in block:
            waiting.append(stored)
            held += len(stored.what) + len(stored.target) + len(stored.who) + len(stored.details)
            if len(waiting) >= MAX_ROWS or held >= MAX_BYTES:
                yield waiting
                waiting, held = [], 0
    if waiting:
        yield waiting


class _DictionaryColumn(NamedTuple):
    """Distinct values and, for each event, the position of its value; without `places` one value per event."""

    different: Sequence[Any]
    places: Any = None


def _table(events: Sequence[StoredEvent]) -> Any:
    opened = _decode_parts(events)
    arrays = []
    for column in COLUMNS.values():
        different, places = opened[column.of]
        read = map(column.value, different)
        values = (
            _text_array(read) if column.is_text else pa.array(list(read), _INT if column.type == _TIME else column.type)
        )
        arrays.append((values if places is None else values.take(places)).cast(column.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _text_array(values: Iterable[Any]) -> Any:
    """An array of texts or stored JSON, with null for empty ones."""
    listed = list(values)
    if listed and isinstance(listed[0], Raw):
        listed = list(map(bytes, listed))
    array = pa.array(listed, pa.string())
    return pc.if_else(pc.equal(array, ""), _NULL, array)


def _decode_parts(events: Sequence[StoredEvent]) -> dict[str, _DictionaryColumn]:
    whats = [parse_what(stored.what or b"{}") for stored in events]
    whos = [parse_who(stored.who or b"{}") for stored in events]
    actors = [bytes(who.actor) for who in whos]
    summaries = [
        summary_of(stored, what.action, what.status, actor)
        for stored, what, actor in zip(events, whats, actors, strict=True)
    ]
    known = [stored.catalogue.find(what.action) is not None for stored, what in zip(events, whats, strict=True)]
    return {
        "event": _DictionaryColumn(events),
        "id": _DictionaryColumn(encode_ids(events)),
        "remains": _dictionary([stored.remains for stored in events]),
        "what": _DictionaryColumn(whats),
        "known": _DictionaryColumn(known),
        "summary": _DictionaryColumn(summaries),
        "actor": _dictionary(actors, parse_actor),
        "recorder": _dictionary([bytes(what.recorded_by) for what in whats], parse_actor),
        "target": _dictionary([stored.target for stored in events], parse_target),
        "who": _DictionaryColumn(whos),
        "context": _DictionaryColumn([who.context for who in whos]),
        "details": _DictionaryColumn([parse_details(stored.details or b"{}") for stored in events]),
    }


def _dictionary(values: Iterable[Any], read: Callable[[Any], Any] = lambda value: value) -> _DictionaryColumn:
    """Distinct values, each read only once, since few values make up most events."""
    known: dict[Any, int] = {}
    places = [known.setdefault(value, len(known)) for value in values]
    return _DictionaryColumn([read(value) for value in known], pa.array(places, pa.int32()))
