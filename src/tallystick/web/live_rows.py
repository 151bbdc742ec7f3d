"""The live view: new events as table rows in server-sent events, until the session ends."""

import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Response, get
from litestar.response import ServerSentEventMessage

from tallystick.access.authenticate import Authenticator
from tallystick.access.scopes import require
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Forbidden, TallystickError, Unauthorized
from tallystick.http.streaming_response import StreamingResponse
from tallystick.live.batch import LiveBatch
from tallystick.live.hub import LiveHub, is_stream, next_index
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from
from tallystick.web.dependencies import (
    AuthenticatorDep,
    DataAccessDep,
    DatabaseDep,
    LiveHubDep,
    PoolsDep,
    RequestCallerDep,
    SessionTokenDep,
    WebRequest,
)
from tallystick.web.event_row import event_row
from tallystick.web.filters import PATH, Filters, read_filters
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.templating import row_html
from tallystick.web.viewer import Viewer

MOST_ROWS = 500  # rows per message; the page shows no more
CHECK_SECONDS = 15.0
NOTE_SECONDS = 3600.0  # a view that stays open is noted again
RETRY_MILLISECONDS = 1000
TROUBLE_RETRY_MILLISECONDS = 10_000
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class LiveView:
    """An open live view; `note` notes that the person of a scope looks at it."""

    database: Database
    authenticator: Authenticator
    hub: LiveHub
    token: str
    filters: Filters
    after: int | None
    note: Callable[[Scope], None]

    async def scope(self) -> Scope:
        """The current scope of the session. Raises Unauthorized or Forbidden if it has ended or may not read events."""
        scope = await self.database.run(self.authenticator.session_scope, self.token)
        require(scope, "events:read")
        return scope

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """All messages of the stream; if it fails, the last one says why."""
        try:
            async with aclosing(self._follow()) as following:
                async for message in following:
                    yield message
        except TallystickError as problem:
            name = "signed-out" if problem.status in (401, 403) else "trouble"
            detail = json.dumps({"detail": problem.detail})
            yield ServerSentEventMessage(event=name, data=detail, retry=TROUBLE_RETRY_MILLISECONDS).encode()

    async def _follow(self) -> AsyncGenerator[bytes, None]:
        scope = await self.scope()
        now = now_us()
        query = query_from(self.filters.parameters(now), now=now)
        checked = noted = time.monotonic()
        revision: int | None = None
        yield ServerSentEventMessage(comment="connected", retry=RETRY_MILLISECONDS).encode()
        encode = RowsMessage(self.filters, query.needles)
        async with aclosing(self.hub.follow(scope, query, self.after, encode)) as messages:
            async for message in messages:
                if revision != self.authenticator.revision or time.monotonic() - checked >= CHECK_SECONDS:
                    revision = self.authenticator.revision
                    if await self.scope() != scope:
                        return  # the browser reconnects, with the current scope
                    checked = time.monotonic()
                    if checked - noted >= NOTE_SECONDS:
                        self.note(scope)
                        noted = checked
                yield message


@dataclass(frozen=True, slots=True)
class RowsMessage:
    """Makes the message of a batch for viewers with these filters and highlighted words; equal ones share it."""

    filters: Filters
    needles: tuple[str, ...] = ()

    def __call__(self, batch: LiveBatch) -> bytes:
        """The message; its id is the index from which a broken stream resumes."""
        newest = [event.stored for event in batch.events[-MOST_ROWS:]]
        through = batch.through
        if not newest:
            position = ServerSentEventMessage(id=through, event="position", data=json.dumps({"through": through}))
            return position.encode()
        zone = self.filters.zone
        rows = [
            [stored.index, row_html(event_row(stored, zone, self.needles), self.filters, self.needles)]
            for stored in reversed(newest)
        ]
        data = {"rows": rows, "skipped": len(batch.events) - len(newest), "through": through}
        return ServerSentEventMessage(id=through, event="rows", data=json.dumps(data)).encode()


@get(f"{PATH}/live", name="web.audit_logs.live", opt=EVERY_ROLE)
async def follow_events(
    request: WebRequest,
    session_token: SessionTokenDep,
    database: DatabaseDep,
    authenticator: AuthenticatorDep,
    hub: LiveHubDep,
    pools: PoolsDep,
    data_access: DataAccessDep,
    request_caller: RequestCallerDep,
) -> Response[Any]:
    """Streams the matching events after index `Last-Event-ID`, or `after`.

    A message `rows` holds `{"rows": [[index, HTML]…], "skipped": n, "through": index}`, newest first; `position` holds
    the index up to which events were examined; `signed-out` or `trouble` is the last message. Too many views are
    refused before the stream begins. One that begins far back is recorded as a stream.
    """
    filters = read_filters(request.query_params.multi_items())

    def note(scope: Scope) -> None:
        Viewer(data_access, scope, request_caller).note_list(filters, is_supplement=True)

    viewer = LiveView(database, authenticator, hub, session_token, filters, _after(request), note)
    admission: Callable[[], AbstractContextManager[None]] = nullcontext
    with suppress(Unauthorized, Forbidden):  # the stream says so
        scope = await viewer.scope()
        hub.check_places(scope)
        admission = partial(hub.viewing, scope)
        note(scope)
        if viewer.after is not None and is_stream(viewer.after, await database.run(next_index, database, scope.org_id)):
            given, media = filters.parameters(now_us()), "text/event-stream"
            await pools.short.run(scope, data_access.record_stream, scope, request_caller, given, media)
    return StreamingResponse(viewer.messages(), media_type="text/event-stream", headers=HEADERS, admission=admission)


def _after(request: WebRequest) -> int | None:
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if text is None:
        return None
    try:
        return max(int(text), -1)
    except ValueError:
        raise BadRequest("`after` is the index of an event.", code="bad_parameter", parameter="after") from None
