"""Erasing again what an older copy of the databases brought back.

Two things know what was erased: the records in each log, and the list beside the databases (`kept_list`), which also
knows of erasures that came after the copy was made. What the log does not tell of is told again before it is taken.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import select

from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.erasure import erasure_list
from tallystick.erasure.records import Told, told
from tallystick.erasure.redact_events import still_there
from tallystick.erasure.stages import MOST_TEXT, schedule
from tallystick.ledger.tables import logs
from tallystick.retention import index_set
from tallystick.store import erasing
from tallystick.store.events import EventStore

logger = structlog.get_logger(__name__)


def replay(database: Database, store: EventStore, data_dir: Path, *, whole: bool = True) -> int:
    """Let everything be erased again that should not be there; how many erasures that are. StoreError.

    The work itself is the eraser's, in the server: a record has to be in the log first, and everything stored. Call it
    after a restore; at each start with `whole` off: what the store is known to have carried out is not looked at.
    """
    with database.read() as connection:
        organizations = list(connection.execute(select(logs.c.org_id, logs.c.size)).all())
    listed: dict[UUID, list[erasure_list.Line]] = {}
    for line in erasure_list.read(data_dir):
        listed.setdefault(line.org_id, []).append(line)
    return sum(_replay(database, store, org_id, size, listed.get(org_id, ()), whole) for org_id, size in organizations)


def _replay(
    database: Database, store: EventStore, org_id: UUID, size: int, lines: Iterable[erasure_list.Line], whole: bool
) -> int:
    scope = operator_scope(org_id)
    said = told(database, store, scope, size)
    known = -1 if whole else erasing.replayed(store, scope)
    sets: dict[str, list[tuple[int, str, bool]]] = {}
    for one in said:
        if one.index > known and (
            left := still_there(database, store, org_id, index_set.parse_indexes(one.indexes), one.parts)
        ):
            sets.setdefault(one.erasure, []).append((one.parts, index_set.format_indexes(left), True))
    for erasure, parts, text in _untold(database, lines, said):
        sets.setdefault(erasure, []).append((parts, text, False))
    for erasure, of in sets.items():
        logger.warning("erasure_again", org_id=str(org_id), erasure=erasure, sets=len(of))
        with database.write() as connection:
            schedule(connection, org_id, erasure, of)
    if not sets and said and said[-1].index > known:
        erasing.note_replayed(store, scope, said[-1].index)
    return len(sets)


def _untold(
    database: Database, lines: Iterable[erasure_list.Line], said: Iterable[Told]
) -> Iterator[tuple[str, int, str]]:
    """What the list knows and the log does not: erasure, parts, indexes."""
    in_log = _covered(said)
    for line in lines:
        there = in_log.get((line.erasure, line.parts), frozenset())
        if there.issuperset(index_set.parse_indexes(line.indexes)):
            continue
        left = sorted(set(erasure_list.applying(database, line)) - there)
        while left:
            some = index_set.prefix_within(left, MOST_TEXT)
            left = left[len(some) :]
            yield line.erasure, line.parts, index_set.format_indexes(some)


def _covered(said: Iterable[Told]) -> Mapping[tuple[str, int], frozenset[int]]:
    found: dict[tuple[str, int], set[int]] = {}
    for one in said:
        found.setdefault((one.erasure, one.parts), set()).update(index_set.parse_indexes(one.indexes))
    return {key: frozenset(of) for key, of in found.items()}
