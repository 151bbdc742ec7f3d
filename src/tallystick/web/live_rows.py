"""The live view: new events as table rows in server-sent events, until the session ends."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from litestar import get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from tallystick.access.authenticate import Authenticator
from tallystick.access.scopes import require
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, TallystickError
from tallystick.live.follow import LiveBatch
from tallystick.live.hub import LiveHub
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from
from tallystick.web.dependencies import AuthenticatorDep, DatabaseDep, LiveHubDep, SessionTokenDep, WebRequest
from tallystick.web.event_row import event_row
from tallystick.web.filters import PATH, Filters, parse_filters
from tallystick.web.templating import row_html

MOST_ROWS = 500  # rows per message; the page shows no more
CHECK_SECONDS = 15.0
RETRY_MILLISECONDS = 1000
TROUBLE_RETRY_MILLISECONDS = 10_000


@dataclass(frozen=True, slots=True)
class LiveView:
    """An open live view."""

    database: Database
    authenticator: Authenticator
    hub: LiveHub
    token: str
    filters: Filters
    after: int | None

    async def scope(self) -> Scope:
        """The current scope of the session. Raises Unauthorized or Forbidden if it has ended or may not read events."""
        scope = await self.database.run(self.authenticator.session_scope, self.token)
        require(scope, "events:read")
        return scope

    async def messages(self) -> AsyncGenerator[ServerSentEventMessage, None]:
        """All messages of the stream; if it fails, the last one says why."""
        try:
            async with aclosing(self._follow()) as following:
                async for message in following:
                    yield message
        except TallystickError as problem:
            name = "signed-out" if problem.status in (401, 403) else "trouble"
            detail = json.dumps({"detail": problem.detail})
            yield ServerSentEventMessage(event=name, data=detail, retry=TROUBLE_RETRY_MILLISECONDS)

    async def _follow(self) -> AsyncGenerator[ServerSentEventMessage, None]:
        scope = await self.scope()
        now = now_us()
        query = query_from(self.filters.parameters(now), now=now)
        checked = time.monotonic()
        yield ServerSentEventMessage(comment="connected", retry=RETRY_MILLISECONDS)
        async with aclosing(self.hub.follow(scope, query, self.after)) as batches:
            async for batch in batches:
                if time.monotonic() - checked >= CHECK_SECONDS:
                    if await self.scope() != scope:
                        return  # the browser reconnects, with the current scope
                    checked = time.monotonic()
                yield await self.database.run(rows_message, batch, self.filters, query.needles)


@get(f"{PATH}/live", name="web.audit_logs.live")
async def follow_events(
    request: WebRequest,
    session_token: SessionTokenDep,
    database: DatabaseDep,
    authenticator: AuthenticatorDep,
    hub: LiveHubDep,
) -> ServerSentEvent:
    """Streams the matching events after index `Last-Event-ID`, or `after`.

    A message `rows` holds `{"rows": [[index, HTML]…], "skipped": n, "through": index}`, newest first; `position` holds
    the index up to which events were examined; `signed-out` or `trouble` is the last message.
    """
    filters = parse_filters(request.query_params.multi_items())
    viewer = LiveView(database, authenticator, hub, session_token, filters, _after(request))
    return ServerSentEvent(viewer.messages(), headers={"X-Accel-Buffering": "no"})


def rows_message(batch: LiveBatch, filters: Filters, needles: tuple[str, ...] = ()) -> ServerSentEventMessage:
    """A batch of events as one message; its id is the index from which a broken stream resumes."""
    newest = batch.events[-MOST_ROWS:]
    if not newest:
        return ServerSentEventMessage(id=batch.through, event="position", data=json.dumps({"through": batch.through}))
    rows = [
        [stored.index, row_html(event_row(stored, filters.zone, needles), filters, needles)]
        for stored in reversed(newest)
    ]
    data = {"rows": rows, "skipped": len(batch.events) - len(newest), "through": batch.through}
    return ServerSentEventMessage(id=batch.through, event="rows", data=json.dumps(data))


def _after(request: WebRequest) -> int | None:
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if text is None:
        return None
    try:
        return max(int(text), -1)
    except ValueError:
        raise BadRequest("`after` is the index of an event.", code="bad_parameter", parameter="after") from None
