"""The search for a person's events in a trail, batch by batch: in the store, set aside, in the archive."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from tallystick.database.engine import Database
from tallystick.erasure.subject import SubjectMatcher
from tallystick.events.copies import record_of
from tallystick.events.record import Record, StoredEvent
from tallystick.journal import set_aside
from tallystick.merkle.remains import lost_parts, mask_of
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.archive_erasure import ArchiveEraser
from tallystick.retention.holds import Hold
from tallystick.search.match import compile_match
from tallystick.store import erasing
from tallystick.store.events import EventStore
from tallystick.store.windows import Place, Window

BATCH_ROWS = 200_000
MAX_NAMES = 20
ASIDE = "aside"
ARCHIVE = "archive"
DONE = "done"
STEP_SECONDS = 5.0  # the longest that one step searches archived files


class SubjectMatches(msgspec.Struct):
    """The matches so far: `kinds` counts events by role, `parts` by part; `names` are the actor's values by field.

    `held` counts the events under a legal hold, which are in no other count. `archived` counts those in the archive.
    """

    events: int = 0
    held: int = 0
    archived: int = 0
    kinds: dict[str, int] = {}
    parts: dict[str, int] = {}
    names: dict[str, list[str]] = {}


@dataclass(slots=True)
class SearchBatch:
    """The matches of one batch as (index, parts as bits), and the position of the next batch."""

    matches: list[tuple[int, int]] = field(default_factory=list)
    position: str = DONE


def search_trail(
    database: Database,
    store: EventStore,
    scope: Scope,
    matcher: SubjectMatcher,
    position: str,
    end: int,
    found: SubjectMatches,
) -> SearchBatch:
    """Search the next batch of rows from `position` (empty: the oldest) below index `end`; adds to `found`. Blocks."""
    with database.read() as connection:
        free = _unheld_filter(holds.active(connection, scope))
        aside = _set_aside_events(connection, scope, end) if position == ASIDE else []
    batch = SearchBatch()
    if position == ASIDE:
        for index, record in aside:
            _match_event(record, index, matcher, free, found, batch)
        return batch
    near = _parse_position(position)
    far = erasing.window_end(store, scope, near, BATCH_ROWS)
    for block in erasing.find_rows_with_text(store, scope, matcher.needles, Window(near, far), end):
        for event in block:
            _match_event(event, event.index, matcher, free, found, batch)
    batch.position = ASIDE if far is None else f"{far[0]},{far[1]}"
    return batch


def search_archive(
    database: Database,
    store: EventStore,
    archive_eraser: ArchiveEraser,
    scope: Scope,
    matcher: SubjectMatcher,
    position: str,
    end: int,
    found: SubjectMatches,
) -> SearchBatch:
    """Search archived files after `position` (ARCHIVE: from the first); adds to `found`. Blocks. TargetError.

    Call it after the trail was searched: events that a purge has archived but not yet deleted were found there, and
    are skipped here.
    """
    after = position.removeprefix(ARCHIVE).strip()
    batch = SearchBatch()
    with database.read() as connection:
        free = _unheld_filter(holds.active(connection, scope))
    ends = time.monotonic() + STEP_SECONDS
    for step in archive_eraser.steps(scope):
        if step.name <= after:
            continue
        for block in archive_eraser.events(step):
            there = store.present(scope.org_id, block[0].index, block[-1].index + 1)
            for event in block:
                if event.index < end and event.index not in there:
                    _match_event(event, event.index, matcher, free, found, batch)
        batch.position = f"{ARCHIVE} {step.name}"
        if time.monotonic() > ends:
            break
    found.archived += len(batch.matches)
    return batch


def _match_event(
    event: StoredEvent | Record,
    index: int,
    matcher: SubjectMatcher,
    free: Callable[[Record], bool],
    found: SubjectMatches,
    batch: SearchBatch,
) -> None:
    kinds = matcher.roles_in(event)
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
    for name, text in matcher.names_of(event):
        known = found.names.setdefault(name, [])
        if text not in known and len(known) < MAX_NAMES:
            known.append(text)
    batch.matches.append((index, mask))


def _unheld_filter(held: Sequence[Hold]) -> Callable[[Record], Any]:
    return compile_match(Query(holds.unheld_condition(held)))


def _set_aside_events(connection: Connection, scope: Scope, end: int) -> list[tuple[int, Record]]:
    return [(index, record) for index, record in set_aside.of_organization(connection, scope.org_id) if index < end]


def _parse_position(position: str) -> Place | None:
    if not position:
        return None
    at, _, index = position.partition(",")
    return int(at), int(index)
