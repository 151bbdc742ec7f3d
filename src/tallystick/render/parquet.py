"""Events as Parquet: one row each with every field, the objects of the details as JSON text."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tallystick.events.catalogue import CATALOGUE
from tallystick.events.output import SKEW
from tallystick.events.record import StoredEvent
from tallystick.ids import encode
from tallystick.render.fields import (
    Actor,
    Details,
    Target,
    What,
    Who,
    actor_of,
    details_of,
    erased_of,
    sentence,
    target_of,
    what_of,
    who_of,
)

MOST_ROWS = 50_000
MOST_BYTES = 16 << 20  # of the parts of one row group: what memory is taken for
_TIME = pa.timestamp("us", "UTC")
_TEXTS = pa.list_(pa.string())


class Opened(NamedTuple):
    """Events and their parts, beside one another."""

    events: Sequence[StoredEvent]
    whats: list[What]
    targets: list[Target]
    whos: list[Who]
    actors: list[Actor]
    details: list[Details]
    recorders: list[Actor]


def _summaries(opened: Opened) -> list[str]:
    return [
        sentence(what.action, what.status, bytes(who.actor), stored.target)
        for stored, what, who in zip(opened.events, opened.whats, opened.whos, strict=True)
    ]


# Each column: its type, and its values. Absent text is null.
COLUMNS: dict[str, tuple[Any, Callable[[Opened], list[Any]]]] = {
    "id": (pa.string(), lambda o: [encode("evt", x.id) for x in o.events]),
    "index": (pa.int64(), lambda o: [x.index for x in o.events]),
    "timestamp": (_TIME, lambda o: [x.occurred_at for x in o.events]),
    "received_at": (_TIME, lambda o: [x.received_at for x in o.events]),
    "action": (pa.string(), lambda o: [x.action or None for x in o.whats]),
    "category": (pa.string(), lambda o: [x.category or None for x in o.whats]),
    "status": (pa.string(), lambda o: [x.status or None for x in o.whats]),
    "known": (pa.bool_(), lambda o: [x.action in CATALOGUE for x in o.whats]),
    "summary": (pa.string(), _summaries),
    "description": (pa.string(), lambda o: [x.description or None for x in o.details]),
    "actor_type": (pa.string(), lambda o: [x.type or None for x in o.actors]),
    "actor_id": (pa.string(), lambda o: [x.id or None for x in o.actors]),
    "actor_email": (pa.string(), lambda o: [x.email or None for x in o.actors]),
    "actor_name": (pa.string(), lambda o: [x.name or None for x in o.actors]),
    "on_behalf_of": (pa.string(), lambda o: [bytes(x.on_behalf_of) or None for x in o.actors]),
    "resource_type": (pa.string(), lambda o: [x.type or None for x in o.targets]),
    "resource_id": (pa.string(), lambda o: [x.id or None for x in o.targets]),
    "resource_name": (pa.string(), lambda o: [x.name or None for x in o.targets]),
    "ip_address": (pa.string(), lambda o: [x.context.ip_address or None for x in o.whos]),
    "user_agent": (pa.string(), lambda o: [x.context.user_agent or None for x in o.whos]),
    "request_id": (pa.string(), lambda o: [x.context.request_id or None for x in o.whos]),
    "session_id": (pa.string(), lambda o: [x.context.session_id or None for x in o.whos]),
    "trace_id": (pa.string(), lambda o: [x.context.trace_id or None for x in o.whos]),
    "source": (pa.string(), lambda o: [x.context.source or None for x in o.whos]),
    "changes": (pa.string(), lambda o: [bytes(x.changes) or None for x in o.details]),
    "request": (pa.string(), lambda o: [bytes(x.request) or None for x in o.details]),
    "response": (pa.string(), lambda o: [bytes(x.response) or None for x in o.details]),
    "metadata": (pa.string(), lambda o: [bytes(x.metadata) or None for x in o.details]),
    "redacted": (_TEXTS, lambda o: [x.redacted or None for x in o.details]),
    "external_id": (pa.string(), lambda o: [x.external_id or None for x in o.whats]),
    "recorded_by_type": (pa.string(), lambda o: [x.type or None for x in o.recorders]),
    "recorded_by_id": (pa.string(), lambda o: [x.id or None for x in o.recorders]),
    "recorded_by_name": (pa.string(), lambda o: [x.name or None for x in o.recorders]),
    "recorded_by_email": (pa.string(), lambda o: [x.email or None for x in o.recorders]),
    "clock_skew": (pa.bool_(), lambda o: [x.occurred_at > x.received_at + SKEW for x in o.events]),
    "erased": (_TEXTS, lambda o: [list(erased_of(x)) or None for x in o.events]),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])


def write_parquet(blocks: Iterable[Sequence[StoredEvent]], target: BinaryIO) -> None:
    """All events, in row groups; memory stays bounded."""
    with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
        waiting: list[StoredEvent] = []
        held = 0
        for block in blocks:
            for stored in block:
                waiting.append(stored)
                held += len(stored.what) + len(stored.target) + len(stored.who) + len(stored.details)
                if len(waiting) >= MOST_ROWS or held >= MOST_BYTES:
                    writer.write_table(_table(waiting))
                    waiting, held = [], 0
        if waiting:
            writer.write_table(_table(waiting))


def _table(events: Sequence[StoredEvent]) -> Any:
    opened = _opened(events)
    columns = []
    for kind, values in COLUMNS.values():
        column = values(opened)
        columns.append(pa.array(column, pa.int64()).cast(kind) if kind == _TIME else pa.array(column, kind))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _opened(events: Sequence[StoredEvent]) -> Opened:
    whats = [what_of(stored.what or b"{}") for stored in events]
    whos = [who_of(stored.who or b"{}") for stored in events]
    return Opened(
        events,
        whats,
        [target_of(stored.target) for stored in events],
        whos,
        [actor_of(bytes(who.actor)) for who in whos],
        [details_of(stored.details or b"{}") for stored in events],
        [actor_of(bytes(what.recorded_by)) for what in whats],
    )
