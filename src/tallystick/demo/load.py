"""Records Acme's events through the recorder."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import anyio.to_thread
import msgspec

from tallystick.access.authenticate import Authenticator
from tallystick.clock import DAY_US, to_us
from tallystick.demo.agents import demo_events
from tallystick.demo.organization import Acme, save_state
from tallystick.demo.people import Event
from tallystick.errors import Unavailable
from tallystick.ingest.recorder import Recorder
from tallystick.ingest.submission import RecordingAnswer
from tallystick.query.scope import Scope

BATCH = 1000
RULES_FROM_US = DAY_US
LOOPBACK = "127.0.0.1"


async def load_until_now(
    recorder: Recorder,
    authenticator: Authenticator,
    acme: Acme,
    data_dir: Path,
    *,
    now: int,
    count: int,
    advance: Callable[[int], object],
    enable_rules: Callable[[], Awaitable[object]],
) -> int:
    """Records the events since the last start, or all of them; returns how many were new.

    An interrupted load continues at the next start, because events are recognized by their external id.
    `enable_rules` is called once, before the last day, so that older events raise no alerts. `now` is in µs since
    1970 UTC; `advance` is called with the size of each batch.
    """
    scope = await anyio.to_thread.run_sync(authenticator.key_scope, acme.api_key, LOOPBACK)
    since = acme.loaded_through if count <= acme.count else None
    events = demo_events(now_us=now, count=count, since_us=since)
    added = 0
    batch = await anyio.to_thread.run_sync(_next_batch, events)
    while batch:
        # Generates the next batch while this one is committed.
        coming = asyncio.create_task(anyio.to_thread.run_sync(_next_batch, events))
        if not acme.rules_enabled and _loaded_through(batch, since) >= now - RULES_FROM_US:
            await enable_rules()
            acme = msgspec.structs.replace(acme, rules_enabled=True)
        answer = await _record(recorder, scope, batch)
        added += sum(not event.duplicate for event in answer.events)
        advance(len(batch))
        acme = msgspec.structs.replace(acme, loaded_through=_loaded_through(batch, since), count=count)
        await anyio.to_thread.run_sync(save_state, acme, data_dir)
        batch = await coming
    acme = msgspec.structs.replace(acme, loaded_through=now, count=count)
    await anyio.to_thread.run_sync(save_state, acme, data_dir)
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


def _loaded_through(batch: list[Event], since: int | None) -> int:
    """The time up to which everything is loaded; a batch may end with the repeated story, which is older."""
    last = to_us(datetime.fromisoformat(batch[-1]["timestamp"]))
    return last if since is None else max(last, since)
