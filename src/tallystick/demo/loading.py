"""Acme's events on their way through the recorder, like anyone's."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import anyio.to_thread
import msgspec

from tallystick.access.authenticate import Authenticator
from tallystick.clock import DAY_US, to_us
from tallystick.demo.cast import Event
from tallystick.demo.events import acme_events
from tallystick.demo.organization import Acme, keep
from tallystick.errors import Unavailable
from tallystick.ingest.recorder import Recorder
from tallystick.ingest.submission import RecordingAnswer
from tallystick.query.scope import Scope

BATCH = 1000
WATCHED_US = DAY_US
HERE = "127.0.0.1"


async def bring_up_to_now(
    recorder: Recorder,
    authenticator: Authenticator,
    acme: Acme,
    data_dir: Path,
    *,
    now: int,
    count: int,
    advance: Callable[[int], object],
    watch: Callable[[], Awaitable[object]],
) -> int:
    """Record what happened at Acme since the last start, or all of it; how many events were new.

    Where it was interrupted it goes on at the next start: what was recorded is known by its external id.
    `watch` is called once, before the last day: its alerts come after all else, and many would hide it. `now` in
    µs since 1970 UTC; `advance` hears of each batch's size.
    """
    scope = await anyio.to_thread.run_sync(authenticator.key_scope, acme.api_key, HERE)
    since = acme.loaded_through if count <= acme.count else None
    events = acme_events(now_us=now, count=count, since_us=since)
    added = 0
    batch = await anyio.to_thread.run_sync(_next_batch, events)
    while batch:
        # The next thousand are made up while these are committed.
        coming = asyncio.create_task(anyio.to_thread.run_sync(_next_batch, events))
        if not acme.watched and _reached(batch, since) >= now - WATCHED_US:
            await watch()
            acme = msgspec.structs.replace(acme, watched=True)
        answer = await _record(recorder, scope, batch)
        added += sum(not event.duplicate for event in answer.events)
        advance(len(batch))
        acme = msgspec.structs.replace(acme, loaded_through=_reached(batch, since), count=count)
        await anyio.to_thread.run_sync(keep, acme, data_dir)
        batch = await coming
    acme = msgspec.structs.replace(acme, loaded_through=now, count=count)
    await anyio.to_thread.run_sync(keep, acme, data_dir)
    return added


async def _record(recorder: Recorder, scope: Scope, batch: list[Event]) -> RecordingAnswer:
    body = msgspec.json.encode({"events": batch})
    while True:
        try:
            return await recorder.record(scope, body, "application/json")
        except Unavailable as busy:
            await asyncio.sleep(busy.retry_after)


def _next_batch(events: Iterator[Event]) -> list[Event]:
    return list(islice(events, BATCH))


def _reached(batch: list[Event], since: int | None) -> int:
    """Up to when everything is recorded; the story of the last hour may stand before what was loaded long ago."""
    last = to_us(datetime.fromisoformat(batch[-1]["timestamp"]))
    return last if since is None else max(last, since)
