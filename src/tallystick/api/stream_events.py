"""The whole result of a query in one answer: CSV, or NDJSON with every field."""

import csv
import io
import re
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from functools import partial
from typing import Any

import anyio
import msgspec
from litestar import Response

from tallystick.api.answers import HEADERS, encode
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.api.parts import Parts
from tallystick.api.streamed import Streamed
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.windows import Direction

CSV = "text/csv"
NDJSON = "application/x-ndjson"
CSV_HEADER = ("timestamp", "user_email", "action", "resource", "status", "ip_address", "details")
CSV_DETAILS = ("changes", "request", "response", "metadata")
# A cell that begins so is a formula to a spreadsheet, also behind spaces and in full-width form.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

Writer = Callable[[Sequence[StoredEvent]], bytes]


async def stream_events(parts: Parts, reader: Scope, query: Query, asked: Parameters, media: str) -> Response[Any]:
    """All that the query finds, block by block; memory stays bounded.

    An error before the first block is an answer; after it the connection breaks off, so that nobody takes
    half of a result for the whole. Raises Unavailable (`too_many_streams`) when too many are being sent.
    """
    order, limit = _wanted(asked)
    parts.streams.take(1)
    blocks = _encoded(parts.finder.stream(reader, query, order), WRITERS[media], limit)
    try:
        first = await parts.database.run(next, blocks, None)
    except BaseException:
        parts.streams.give_back(1)
        raise
    head = _csv_lines([CSV_HEADER]) if media == CSV else b""
    return Streamed(
        _sent(parts, blocks, head, first),
        media_type=f"{CSV}; charset=utf-8; header=present" if media == CSV else media,
        headers=HEADERS,
        ended=partial(parts.streams.give_back, 1),
    )


def csv_of(events: Sequence[StoredEvent]) -> bytes:
    """One line for each event: a summary, with the details as JSON in its last cell."""
    return _csv_lines([_csv_row(event_of(stored)) for stored in events])


def ndjson_of(events: Sequence[StoredEvent]) -> bytes:
    """One event a line, with every field."""
    return b"".join([encode(event_of(stored)) + b"\n" for stored in events])


WRITERS: dict[str, Writer] = {CSV: csv_of, NDJSON: ndjson_of}


def _wanted(asked: Parameters) -> tuple[Direction, int | None]:
    """The order, and how many at most when `limit` says so: without it, all."""
    for name in ("cursor", "offset", "after"):
        if name in asked:
            raise bad_parameter(name, f"CSV and NDJSON hold the whole result: leave out {name}, or ask for JSON pages.")
    asked.choice("count", ("estimate", "exact", "none"))
    order: Direction = "asc" if asked.choice("order", ("desc", "asc")) == "asc" else "desc"
    return order, asked.whole("limit", 1, 1_000_000_000)


def _encoded(found: Generator[list[StoredEvent]], write: Writer, limit: int | None) -> Generator[bytes]:
    left = limit
    try:
        for events in found:
            chosen = events if left is None else events[:left]
            if chosen:
                yield write(chosen)
            if left is not None:
                left -= len(chosen)
                if left <= 0:
                    return
    finally:
        found.close()


async def _sent(parts: Parts, blocks: Generator[bytes], head: bytes, first: bytes | None) -> AsyncGenerator[bytes]:
    try:
        block = first
        yield head + (block or b"")
        while block is not None:
            block = await parts.database.run(next, blocks, None)
            if block:
                yield block
    finally:
        with anyio.CancelScope(shield=True):
            await parts.database.run(blocks.close)


def _csv_row(event: dict[str, Any]) -> tuple[str, ...]:
    actor, resource = event.get("actor") or {}, event.get("resource") or {}
    details = {name: event[name] for name in CSV_DETAILS if event.get(name)}
    return (
        event["timestamp"],
        actor.get("email") or actor.get("name") or actor.get("id") or "",
        event["action"],
        resource.get("name") or resource.get("id") or "",
        event["status"],
        (event.get("context") or {}).get("ip_address") or "",
        msgspec.json.encode(details).decode() if details else "",
    )


def _csv_lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_harmless(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    """The cell as text to a spreadsheet too: an apostrophe stands before what it would calculate."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
