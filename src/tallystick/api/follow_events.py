"""Following events: GET /v1/audit-logs/live, as server-sent events."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from litestar import Request, Response, get

from tallystick.api.answers import HEADERS, encode
from tallystick.api.authorization import authorize_scope, caller_of, scope_of
from tallystick.api.dependencies import ApiServices
from tallystick.api.operation import operation
from tallystick.api.parameters import Parameters, parse_integer
from tallystick.api.query_parameters import ALLOW_MISSING, LIVE, MOST_INDEX
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, TallystickError
from tallystick.http.streaming_response import StreamingResponse
from tallystick.journal.missing_ranges import missing_within, refuse_missing
from tallystick.live.batch import LiveBatch
from tallystick.live.hub import is_stream, next_index
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from

# Where the revision of access is not known, a revoked key may see events for this long; else for a second.
CHECK_SECONDS = 5.0
COUNT_SECONDS = 3600.0  # a view that stays open counts as one request an hour
RETRY = b"retry: 1000\n\n"
# X-Accel-Buffering: a proxy that buffers the answer would delay the events.
SEPARATORS = tuple((letter.encode(), rb"\u%04x" % ord(letter)) for letter in "\x85\u2028\u2029")
EVENT_STREAM = "text/event-stream"
LIVE_HEADERS = HEADERS | {"X-Accel-Buffering": "no"}


@get(
    "/v1/audit-logs/live",
    opt=operation(
        "Searching",
        "events:read",
        serves_filtered=True,
        parameters=LIVE,
        answer="The events as they are recorded.",
        media={EVENT_STREAM: {"type": "string"}},
        problems=(409,),
    ),
)
async def follow_events(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Follow events as they are recorded.

    Server-sent events without end: `event: event` with an event as data; `event: position` with `{"through": index}`
    at the beginning, in between and every 15 seconds; `event: problem` before the server ends the stream. Each event
    comes once, in order of index. The id of a message is an index from which `Last-Event-ID` or `after` continues,
    without loss or repetition: 409 `events_missing` where the event store lacks events after it. A request that begins
    at the first event, or more than 1,000 events back, is recorded in the trail as an export is.
    """
    reader = await authorize_scope(request, services)
    parameters = Parameters.of(request)
    query = query_from(parameters.filters(), now=now_us())
    end = await services.database.run(next_index, services.database, reader.org_id)
    after = _after(request, parameters)
    if after is None:
        after = end - 1
    elif after >= end:
        raise BadRequest(
            f"Event {after} does not exist yet: the last one is {end - 1}. Start from a page's searchable_through.",
            code="bad_position",
            parameter="after",
        )
    if parameters.choice("allow_missing", ALLOW_MISSING) != "true":
        await services.database.run(refuse_gap, services.database, reader, query, after)
    services.hub.check_places(reader)
    if is_stream(after, end):
        record = services.data_access.record_stream
        await services.pools.short.run(
            reader, record, reader, caller_of(request, services), parameters.filters(), EVENT_STREAM
        )
    messages = _messages(request, services, reader, query, after)
    admission = partial(services.hub.viewing, reader)
    return StreamingResponse(messages, media_type=EVENT_STREAM, headers=LIVE_HEADERS, admission=admission)


def message_of(kind: str, index: int, content: bytes) -> bytes:
    """One server-sent event; its id is where the stream continues after a lost connection.

    Separators that many client libraries take for the end of a line are escaped in its JSON.
    """
    for separator, escaped in SEPARATORS:
        content = content.replace(separator, escaped)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (index, kind.encode(), content)


def position_message(index: int) -> bytes:
    """The message that all events up to an index were checked."""
    return message_of("position", index, encode({"through": index}))


def messages_of(batch: LiveBatch) -> bytes:
    """The messages of a batch: its events, then the index up to which everything was evaluated."""
    sent = [message_of("event", event.index, event.json) for event in batch.events]
    if not batch.events or batch.events[-1].index < batch.through:
        sent.append(position_message(batch.through))
    return b"".join(sent)


def refuse_gap(database: Database, reader: Scope, query: Query, after: int) -> None:
    """Raise Conflict (`events_missing`) where the event store lacks events after the index."""
    with database.read() as connection:
        refuse_missing(missing_within(connection, reader, first=after + 1, start=query.start))


def _after(request: Request[Any, Any, Any], parameters: Parameters) -> int | None:
    """Where to start. A client that reconnects repeats the first URL, so that the header takes precedence."""
    last = request.headers.get("last-event-id", "").strip()
    if last:
        return parse_integer("Last-Event-ID", last, -1, MOST_INDEX)
    return parameters.integer("after", -1, MOST_INDEX)


async def _messages(
    request: Request[Any, Any, Any], services: ApiServices, reader: Scope, query: Query, after: int
) -> AsyncGenerator[bytes]:
    yield RETRY + position_message(after)
    checked = counted = time.monotonic()
    revision: int | None = None
    try:
        async with aclosing(services.hub.follow(reader, query, after, messages_of)) as messages:
            async for message in messages:
                now = time.monotonic()
                if now - counted >= COUNT_SECONDS:
                    await authorize_scope(request, services)
                    checked = counted = now
                elif revision != services.authenticator.revision or now - checked >= CHECK_SECONDS:
                    revision = services.authenticator.revision
                    await scope_of(request, services)
                    checked = now
                yield message
    except TallystickError as error:
        content = {"status": error.status, "code": error.code, "detail": error.detail}
        yield b"event: problem\ndata: %s\n\n" % encode(content)
