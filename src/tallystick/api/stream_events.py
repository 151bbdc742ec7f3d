"""Streams all events of a query: CSV, or NDJSON with every field."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from functools import partial
from typing import Any

import anyio
from litestar import Response

from tallystick.api.answers import HEADERS
from tallystick.api.dependencies import ApiServices
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.api.streaming_response import StreamingResponse
from tallystick.events.record import StoredEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.render.csv_lines import MEDIA_TYPE as CSV_MEDIA_TYPE
from tallystick.render.csv_lines import csv_header, csv_lines
from tallystick.render.json_lines import ndjson
from tallystick.store.windows import Direction

CSV = "text/csv"
NDJSON = "application/x-ndjson"

Writer = Callable[[Sequence[StoredEvent]], bytes]


async def stream_events(
    services: ApiServices, reader: Scope, query: Query, parameters: Parameters, media: str
) -> Response[Any]:
    """Stream all events of a query, block by block, in bounded memory.

    An error before the first block is answered as one; an error after it breaks the connection, so that no client
    takes a part for the whole. Raises Unavailable (`too_many_streams`) if too many streams are open.
    """
    order, limit = _order_and_limit(parameters)
    services.streams.take(1)
    blocks = _blocks(services.finder.stream(reader, query, order), WRITERS[media], limit)
    try:
        first = await services.database.run(next, blocks, None)
    except BaseException:
        services.streams.give_back(1)
        raise
    head = csv_header() if media == CSV else b""
    return StreamingResponse(
        _body(services, blocks, head, first),
        media_type=CSV_MEDIA_TYPE if media == CSV else media,
        headers=HEADERS,
        ended=partial(services.streams.give_back, 1),
    )


WRITERS: dict[str, Writer] = {CSV: csv_lines, NDJSON: ndjson}


def _order_and_limit(parameters: Parameters) -> tuple[Direction, int | None]:
    """The order, and the maximum number of events; None for all."""
    for name in ("cursor", "offset", "after"):
        if name in parameters:
            raise bad_parameter(name, f"CSV and NDJSON hold all events: leave out {name}, or request JSON pages.")
    parameters.choice("count", ("estimate", "exact", "none"))
    order: Direction = "asc" if parameters.choice("order", ("desc", "asc")) == "asc" else "desc"
    return order, parameters.integer("limit", 1, 1_000_000_000)


def _blocks(found: Generator[list[StoredEvent]], write: Writer, limit: int | None) -> Generator[bytes]:
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


async def _body(
    services: ApiServices, blocks: Generator[bytes], head: bytes, first: bytes | None
) -> AsyncGenerator[bytes]:
    try:
        block = first
        yield head + (block or b"")
        while block is not None:
            block = await services.database.run(next, blocks, None)
            if block:
                yield block
    finally:
        with anyio.CancelScope(shield=True):
            await services.database.run(blocks.close)
