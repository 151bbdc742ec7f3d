"""Looking through a trail for a person, a run of rows at a time."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from tallystick.database.engine import Database
from tallystick.erasure.texts import Texts
from tallystick.events.copies import record_of
from tallystick.events.record import Record, StoredEvent
from tallystick.journal import set_aside
from tallystick.merkle.remains import lost_parts, mask_of
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.archive_reduced import Shelf
from tallystick.retention.holds import Hold
from tallystick.search.match import compile_match
from tallystick.store import erasing
from tallystick.store.events import EventStore
from tallystick.store.windows import Place, Window

ROWS = 200_000
MOST_NAMES = 20
ASIDE = "aside"
ARCHIVE = "archive"
DONE = "done"
STEP_SECONDS = 5.0  # so long one step may look through archived files


class Found(msgspec.Struct):
    """What is found so far: how many events, as what, in which parts, under which names.

    `held` are under a legal hold, and not counted otherwise. `archived` are those in the archive.
    """

    events: int = 0
    held: int = 0
    archived: int = 0
    kinds: dict[str, int] = {}
    parts: dict[str, int] = {}
    names: dict[str, list[str]] = {}


@dataclass(slots=True)
class Run:
    """One run of rows: which events lose which parts (bits), and where the next one begins."""

    matches: list[tuple[int, int]] = field(default_factory=list)
    place: str = DONE


def look(database: Database, store: EventStore, scope: Scope, texts: Texts, place: str, end: int, found: Found) -> Run:
    """The next run of rows from `place` (empty: the oldest) below index `end`; adds to `found`. Blocks."""
    with database.read() as connection:
        free = _free(holds.active(connection, scope))
        aside = _aside(connection, scope, end) if place == ASIDE else []
    run = Run()
    if place == ASIDE:
        for index, record in aside:
            _judge(record, index, texts, free, found, run)
        return run
    near = _read(place)
    far = erasing.boundary(store, scope, near, ROWS)
    for block in erasing.holding(store, scope, texts.needles, Window(near, far), end):
        for event in block:
            _judge(event, event.index, texts, free, found, run)
    run.place = ASIDE if far is None else f"{far[0]},{far[1]}"
    return run


def look_archived(
    database: Database, store: EventStore, shelf: Shelf, scope: Scope, texts: Texts, place: str, end: int, found: Found
) -> Run:
    """Archived steps after `place` (ARCHIVE: the first); adds to `found`. Blocks. TargetError.

    Call it when the trail was looked through: what is announced to go may still be there, and was found there.
    """
    after = place.removeprefix(ARCHIVE).strip()
    run = Run()
    with database.read() as connection:
        free = _free(holds.active(connection, scope))
    ends = time.monotonic() + STEP_SECONDS
    for step in shelf.steps(scope):
        if step.name <= after:
            continue
        for block in shelf.events(step):
            there = store.present(scope.org_id, block[0].index, block[-1].index + 1)
            for event in block:
                if event.index < end and event.index not in there:
                    _judge(event, event.index, texts, free, found, run)
        run.place = f"{ARCHIVE} {step.name}"
        if time.monotonic() > ends:
            break
    found.archived += len(run.matches)
    return run


def _judge(
    event: StoredEvent | Record, index: int, texts: Texts, free: Callable[[Record], bool], found: Found, run: Run
) -> None:
    kinds = texts.kinds(event)
    mask = mask_of(set(kinds) - set(lost_parts(event.remains)))
    if not mask:
        return
    record = event if isinstance(event, Record) else record_of(event)
    if not free(record):
        found.held += 1
        return
    found.events += 1
    found.kinds = dict(Counter(found.kinds) + Counter(kinds.values()))
    found.parts = dict(Counter(found.parts) + Counter(dict.fromkeys(kinds, 1)))
    for name, text in texts.names_of(event):
        known = found.names.setdefault(name, [])
        if text not in known and len(known) < MOST_NAMES:
            known.append(text)
    run.matches.append((index, mask))


def _free(held: Sequence[Hold]) -> Callable[[Record], Any]:
    return compile_match(Query(holds.not_held(held)))


def _aside(connection: Connection, scope: Scope, end: int) -> list[tuple[int, Record]]:
    return [(index, record) for index, record in set_aside.of_organization(connection, scope.org_id) if index < end]


def _read(place: str) -> Place | None:
    if not place:
        return None
    at, _, index = place.partition(",")
    return int(at), int(index)
