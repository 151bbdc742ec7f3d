"""Streams all events of a query: CSV, or NDJSON with every field."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
from litestar import Response

from tallystick.access.audit import Caller
from tallystick.api.answers import HEADERS
from tallystick.api.dependencies import ApiServices
from tallystick.api.parameters import Parameters, bad_parameter
from tallystick.api.query_parameters import ALLOW_MISSING
from tallystick.clock import now_us
from tallystick.data_access.recorder import is_read_of
from tallystick.errors import TooMany, Unavailable
from tallystick.events.record import StoredEvent
from tallystick.http.streaming_response import StreamingResponse
from tallystick.journal.missing_ranges import IndexRange, format_missing, refuse_missing
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.render.csv_lines import COLUMNS, DIALECTS, CsvLayout, csv_header, csv_layout, csv_lines
from tallystick.render.csv_lines import MEDIA_TYPE as CSV_MEDIA_TYPE
from tallystick.render.json_lines import gaps_line, ndjson
from tallystick.retention.index_set import IndexSet
from tallystick.search.filters import query_from
from tallystick.search.find import Finder
from tallystick.store.windows import Direction, Place

CSV = "text/csv"
NDJSON = "application/x-ndjson"
BLOCK_EVENTS = 1000
HEADER_RANGES = 50

Writer = Callable[[Sequence[StoredEvent]], bytes]


async def stream_events(
    services: ApiServices, reader: Scope, caller: Caller, parameters: Parameters, media: str
) -> Response[Any]:
    """Stream all events of a query, block by block, in bounded memory. Between two blocks it occupies nothing but its
    place among the streams. Recorded in the trail before the first byte, as an export is.

    Headers name the events that are missing or lost, and the last line of NDJSON does if missing ones are allowed; CSV
    has no place for them. An error before the first block is answered as one; an error after it, and events that are
    noticed to be missing then, break the connection, so that no client takes a part for the whole. Raises Conflict
    (`events_missing`); TooMany (`too_many_requests`) and Unavailable (`too_many_streams`) if too many streams are open.
    """
    order, limit = _order_and_limit(parameters)
    allow_missing = parameters.choice("allow_missing", ALLOW_MISSING) == "true"
    layout = layout_of(parameters, media)
    write = partial(csv_lines, layout=layout) if media == CSV else ndjson
    place = await services.streams.take(reader)
    stream = _EventStream(services.finder, reader, parameters, order, write, limit, allow_missing)
    try:
        first = await services.pools.searches.run(reader, stream.next_block)
        if stream.has_news or not stream.has_ended:
            record = services.data_access.record_stream
            await services.pools.short.run(reader, record, reader, caller, parameters.filters(), media)
    except BaseException:
        place.release()
        raise
    return StreamingResponse(
        _body(services, stream, csv_header(layout) + first if media == CSV else first),
        media_type=CSV_MEDIA_TYPE if media == CSV else media,
        headers=HEADERS | stream.gap_headers(),
        ended=place.release,
    )


STREAMED = (CSV, NDJSON)


def layout_of(parameters: Parameters, media: str) -> CsvLayout:
    """The columns and the dialect of a CSV stream; raises BadRequest (`bad_parameter`), also for any other answer."""
    for name in ("columns", "dialect"):
        if name in parameters and media != CSV:
            raise bad_parameter(name, f"{name} is for CSV: request it with Accept: text/csv, or leave {name} out.")
    return csv_layout(parameters.choice("columns", COLUMNS), parameters.choice("dialect", DIALECTS))


def _order_and_limit(parameters: Parameters) -> tuple[Direction, int | None]:
    """The order, and the maximum number of events; None for all."""
    for name in ("cursor", "offset", "after"):
        if name in parameters:
            raise bad_parameter(name, f"CSV and NDJSON hold all events: leave out {name}, or request JSON pages.")
    parameters.choice("count", ("estimate", "exact", "none"))
    order: Direction = "asc" if parameters.choice("order", ("desc", "asc")) == "asc" else "desc"
    return order, parameters.integer("limit", 1, 1_000_000_000)


class _EventStream:
    """Reads and writes a query's events block by block; at most `limit` of them, if given."""

    def __init__(
        self,
        finder: Finder,
        reader: Scope,
        parameters: Parameters,
        order: Direction,
        write: Writer,
        limit: int | None,
        allow_missing: bool,
    ) -> None:
        self._finder = finder
        self.reader = reader
        self._parameters = parameters
        self._query: Query | None = None
        self._order = order
        self._write = write
        self._left = limit
        self._allow_missing = allow_missing
        self._reached: Place | None = None
        self._gaps: Mapping[str, Sequence[IndexRange]] | None = None
        self.has_ended = False
        self.has_news = False  # more was read than the records of this reader's own reading

    def next_block(self) -> bytes:
        """The next block as written, b"" without events; sets `has_ended` with the last one. Blocks."""
        if self._query is None:
            self._query = query_from(self._parameters.filters(), now=now_us())
        need = BLOCK_EVENTS if self._left is None else min(BLOCK_EVENTS, self._left)
        events, self._reached = self._finder.block(self.reader, self._query, self._order, self._reached, need)
        if self._left is not None:
            events = events[: self._left]
            self._left -= len(events)
        # Asked after each block: a hole that is noticed meanwhile breaks the stream off.
        missing = self._finder.missing(self.reader, self._query)
        if not self._allow_missing:
            refuse_missing(missing)
        self._note_gaps({"missing": missing, "lost": self._finder.lost(self.reader, self._query)})
        self.has_ended = self._reached is None or self._left == 0
        self.has_news = self.has_news or not all(is_read_of(self.reader.principal, event) for event in events)
        block = self._write(events) if events else b""
        if self.has_ended and self._gaps and self._allow_missing and self._write is ndjson:
            block += gaps_line(self._gaps)
        return block

    def _note_gaps(self, found: Mapping[str, Sequence[IndexRange]]) -> None:
        """Note the gaps of the first block; Conflict if a later one meets others, which nothing names."""
        gaps = {name: ranges for name, ranges in found.items() if ranges}
        if self._gaps is None:
            self._gaps = gaps
        noted = IndexSet(pair for ranges in self._gaps.values() for pair in ranges)
        refuse_missing([pair for ranges in gaps.values() for pair in ranges if not noted.contains_range(*pair)])

    def gap_headers(self) -> dict[str, str]:
        """Headers that name the positions in the log whose events the answer lacks, once a block was read."""
        return {
            f"Tallystick-{name.title()}-Events": format_missing(ranges, most=HEADER_RANGES)
            for name, ranges in (self._gaps or {}).items()
        }


async def _body(services: ApiServices, stream: _EventStream, begin: bytes) -> AsyncGenerator[bytes]:
    yield begin
    while not stream.has_ended:
        try:
            block = await services.pools.searches.run(stream.reader, stream.next_block)
        except (TooMany, Unavailable) as busy:  # what has begun is not broken off: it tries again for its turn
            await anyio.sleep(busy.retry_after)
            continue
        if block:
            yield block
