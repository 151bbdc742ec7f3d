"""Replay: erases again what a restored backup brought back.

Two sources know what was erased: the records in each log, and the erasure list beside the databases, which also knows
erasures that happened after the backup. Those are recorded in the log again before anything is erased.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import select

from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.erasure import erasure_list
from tallystick.erasure.records import ACTION, ErasureRecord, erasure_records
from tallystick.erasure.redact_events import indexes_with_parts, redact_events
from tallystick.erasure.steps import MAX_RECORD_TEXT, schedule_replay
from tallystick.journal import set_aside, tail
from tallystick.ledger.tables import logs
from tallystick.retention import index_set
from tallystick.search.scan import read_unstored
from tallystick.store import erasing
from tallystick.store.events import EventStore

logger = structlog.get_logger(__name__)


def replay(database: Database, store: EventStore, data_dir: Path, *, whole: bool = True) -> int:
    """Schedule every erasure whose events still have their parts; returns how many. StoreError.

    The server's eraser does the work, since records must be in the log first, and all events stored. Call it with
    `whole` after a restore; without, at each start, it skips the records that the store is known to have applied.
    """
    listed = _lines_by_organization(data_dir)
    erased = erasing.organizations_with(store, ACTION) | listed.keys()
    with database.read() as connection:
        erased |= set_aside.counts(connection).keys()
        organizations = connection.execute(select(logs.c.org_id, logs.c.size, logs.c.stored_end)).all()
    return sum(
        _replay(database, store, org_id, size, listed.get(org_id, ()), whole)
        for org_id, size, stored_end in organizations
        if org_id in erased or _is_told_in_journal(database, org_id, stored_end, size)
    )


def replay_log(database: Database, store: EventStore, org_id: UUID) -> int:
    """Schedule every erasure that is recorded in this log and whose events have their parts again; returns how many."""
    with database.read() as connection:
        size = connection.execute(select(logs.c.size).where(logs.c.org_id == org_id)).scalar_one()
    return _replay(database, store, org_id, size, (), True)


def erase_now(database: Database, store: EventStore, data_dir: Path) -> int:
    """Remove the parts that records and the erasure list name, at once; returns from how many events.

    For a restore, whose events are all stored: nobody reads anything before. What only the list names is recorded in
    the log when the server starts. StoreError.
    """
    listed = _lines_by_organization(data_dir)
    erased = erasing.organizations_with(store, ACTION) | listed.keys()
    with database.read() as connection:
        sizes = connection.execute(select(logs.c.org_id, logs.c.size)).all()
        erased |= set_aside.counts(connection).keys()
    events = 0
    for org_id, size in sizes:
        if org_id not in erased:
            continue
        named: dict[int, set[int]] = {}
        for one in erasure_records(database, store, operator_scope(org_id), size):
            named.setdefault(one.parts, set()).update(index_set.parse_indexes(one.indexes))
        for line in listed.get(org_id, ()):
            named.setdefault(line.parts, set()).update(erasure_list.matching_indexes(database, line))
        sets = {
            parts: left
            for parts, found in named.items()
            if (left := indexes_with_parts(database, store, org_id, sorted(found), parts))
        }
        if sets:
            indexes = sorted(set().union(*sets.values()))
            tail.remove(database, org_id, indexes, lambda _connection: False)
            redact_events(database, store, org_id, sets)
            events += len(indexes)
    return events


def _lines_by_organization(data_dir: Path) -> dict[UUID, list[erasure_list.ErasureListLine]]:
    listed: dict[UUID, list[erasure_list.ErasureListLine]] = {}
    for line in erasure_list.read(data_dir):
        listed.setdefault(line.org_id, []).append(line)
    return listed


def _is_told_in_journal(database: Database, org_id: UUID, stored_end: int, size: int) -> bool:
    """Whether an event that is not stored yet may be a record of an erasure."""
    return stored_end < size and any(
        ACTION.encode() in record.what
        for _index, record in read_unstored(database, operator_scope(org_id), stored_end, size)
    )


def _replay(
    database: Database,
    store: EventStore,
    org_id: UUID,
    size: int,
    lines: Iterable[erasure_list.ErasureListLine],
    whole: bool,
) -> int:
    scope = operator_scope(org_id)
    records = erasure_records(database, store, scope, size)
    known = -1 if whole else erasing.replayed_through(store, scope)
    sets: dict[str, list[tuple[int, str, bool]]] = {}
    for one in records:
        if one.index > known and (
            left := indexes_with_parts(database, store, org_id, index_set.parse_indexes(one.indexes), one.parts)
        ):
            sets.setdefault(one.erasure, []).append((one.parts, index_set.format_indexes(left), True))
    for erasure, parts, text in _unrecorded(database, lines, records):
        sets.setdefault(erasure, []).append((parts, text, False))
    for erasure, of in sets.items():
        logger.warning("erasure_again", org_id=str(org_id), erasure=erasure, sets=len(of))
        with database.write() as connection:
            schedule_replay(connection, org_id, erasure, of)
    if not sets and records and records[-1].index > known:
        erasing.note_replayed(store, scope, records[-1].index)
    return len(sets)


def _unrecorded(
    database: Database, lines: Iterable[erasure_list.ErasureListLine], records: Iterable[ErasureRecord]
) -> Iterator[tuple[str, int, str]]:
    """Erasures in the list without a record in the log: (erasure, parts, indexes), each small enough for one record."""
    in_log = _recorded(records)
    for line in lines:
        there = in_log.get((line.erasure, line.parts), frozenset())
        if there.issuperset(index_set.parse_indexes(line.indexes)):
            continue
        left = sorted(set(erasure_list.matching_indexes(database, line)) - there)
        while left:
            some = index_set.prefix_within(left, MAX_RECORD_TEXT)
            left = left[len(some) :]
            yield line.erasure, line.parts, index_set.format_indexes(some)


def _recorded(records: Iterable[ErasureRecord]) -> Mapping[tuple[str, int], frozenset[int]]:
    found: dict[tuple[str, int], set[int]] = {}
    for one in records:
        found.setdefault((one.erasure, one.parts), set()).update(index_set.parse_indexes(one.indexes))
    return {key: frozenset(of) for key, of in found.items()}
