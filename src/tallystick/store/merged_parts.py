"""Data parts that merges and changes of rows wrote: checks them, and puts the parts that they came from back.

On a disk that is full for a moment, the embedded engine reports success for merges whose files it could not write, and
removes the source parts later (`old_parts_lifetime` in `store.schema`). Until then a damaged part loses nothing: its
sources are kept, attached, and the damaged part is detached. If the process ends in between, the next start puts them
back (`store.source_parts.restore_sources`).
"""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from tallystick.store.errors import StoreError, is_damage
from tallystick.store.events import EventStore
from tallystick.store.read_back import check_part, detach_part
from tallystick.store.source_parts import (
    DETACHED,
    PartName,
    keep_sources,
    kept_sources,
    make_folder,
    parse_part_name,
    remove_replaced,
    source_of,
)

_PARTS = (
    "SELECT name, active, rows, has_lightweight_delete, path FROM system.parts "
    "WHERE database = currentDatabase() AND table = 'events'"
)
WAIT_FOR_PARTS = "SYSTEM WAIT LOADING PARTS events"  # after a start, the engine loads replaced ones in the background
logger = structlog.get_logger(__name__)


class MergedPart(NamedTuple):
    """A data part on the disk; the engine reads it if it `is_active`, and removes it later if not."""

    name: PartName
    is_active: bool
    rows: int
    has_deleted: bool
    path: Path


class MergedParts:
    """Checks each part of an embedded store that a merge or a change of rows wrote, once, while its sources are there.

    Of parts that were there before, only those are checked whose sources are, too. A check takes a hundredth of the
    time of a merge. A change of rows takes much less, since it shares the files that it does not change: its parts are
    checked only after the disk was short of space.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._table: Path | None = None
        self._whole: set[str] = set()
        self._earlier: set[str] = set()  # which were there when this began
        self.damaged: set[str] = set()  # without sources, or with sources that wait until they can be put back

    def find_damaged(self, *, was_short: bool) -> None:
        """Check the new parts, and keep the sources of damaged ones. `was_short`: of space, since the last call."""
        parts = read_parts(self._store)
        if not parts:
            return
        active = {one.path.name for one in parts if one.is_active}
        if self._table != parts[0].path.parent:  # at first, or after a rebuild of the table
            self._store.rows(WAIT_FOR_PARTS, {})
            parts = read_parts(self._store)
            self._table, self._earlier, self._whole = parts[0].path.parent, active, set()
            make_folder(self._table)  # while there is space
            remove_replaced(self._table)
        self._earlier &= active
        self._whole &= {one.path.name for one in parts}
        self.damaged &= active
        for part in parts:
            if self._is_due(part):
                self._check(part, parts, was_short=was_short)

    def _is_due(self, part: MergedPart) -> bool:
        is_known = part.path.name in self._whole or part.path.name in self.damaged
        return part.is_active and not part.name.is_inserted and not is_known

    def _check(self, part: MergedPart, parts: Sequence[MergedPart], *, was_short: bool) -> None:
        name, sources = part.path.name, _direct_sources(part, parts)
        if not sources and name in self._earlier:
            self._whole.add(name)
            return
        is_changed = len(sources) == 1 and sources[0].name.is_version_of(part.name)
        if is_changed and not was_short and self._is_trusted(sources[0]):
            self._whole.add(name)
            return
        is_whole = check_part(self._store, name)
        if is_whole is None:  # replaced meanwhile
            return
        rows = 0 if any(one.has_deleted for one in sources) else sum(one.rows for one in sources)
        if is_whole and part.rows >= rows:
            self._whole.add(name)
            return
        logger.error("merged_part_damaged", part=name, rows=part.rows, sources=[one.path.name for one in sources])
        _keep(part, parts)
        self.damaged.add(name)

    def _is_trusted(self, part: MergedPart) -> bool:
        return part.name.is_inserted or part.path.name in self._whole


def read_parts(store: EventStore) -> list[MergedPart]:
    """All parts of the table of events, those included that others replaced and that are still on the disk."""
    found = [(parse_part_name(row[0]), row) for row in store.rows(_PARTS, {})]
    return [
        MergedPart(name, bool(active), rows, bool(has_deleted), Path(path))
        for name, (_name, active, rows, has_deleted, path) in found
        if name is not None and (active or Path(path).exists())
    ]


def waiting_sources(store: EventStore) -> dict[str, dict[PartName, Path]]:
    """By the name of each damaged part: the directories of its sources, which are not back in the table."""
    parts = read_parts(store)
    return kept_sources(parts[0].path.parent) if parts else {}


def restore_part(store: EventStore, name: str) -> bool:
    """Put what a damaged part was made of back in its place; False if the engine has removed it already. StoreError."""
    store.rows(WAIT_FOR_PARTS, {})
    parts = read_parts(store)
    kept = any(_keep(one, parts) for one in parts if one.is_active and one.path.name == name)
    if kept:
        put_back(store, name, waiting_sources(store)[name])
    return kept


def put_back(store: EventStore, name: str, sources: Mapping[PartName, Path]) -> None:
    """Attach the kept sources of a damaged part, and detach the part. StoreError.

    Nothing may be deleted meanwhile. The sources may have rows and parts of rows that were deleted since.
    """
    store.change("TRUNCATE TABLE IF EXISTS store_replayed")  # erasures are looked through again, also after a crash
    attached = [path.name for one in _outermost(sources) for path in _attach(store, one, sources)]
    wanted = parse_part_name(name)
    for part in read_parts(store):
        if part.is_active and wanted and part.name.is_version_of(wanted):
            detach_part(store, part.path.name)
            shutil.rmtree(part.path.parent / DETACHED / part.path.name, ignore_errors=True)
    for path in sources.values():
        shutil.rmtree(path)
    logger.warning("source_parts_restored", part=name, sources=attached)


def _attach(store: EventStore, name: PartName, kept: Mapping[PartName, Path]) -> Iterator[Path]:
    """Attach a kept part; in place of one whose files are damaged too, its own sources. Yields what was attached."""
    path = kept[name]
    copy = path.parent.parent / source_of(path)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path, copy, copy_function=os.link)
    try:
        store.change(f"ALTER TABLE events ATTACH PART '{copy.name}'")
    except StoreError as error:
        own = {one: path for one, path in kept.items() if name.covers(one)}
        if not own or not is_damage(error):
            raise
        for one in _outermost(own):
            yield from _attach(store, one, own)
    else:
        yield copy


def _outermost(names: Collection[PartName]) -> list[PartName]:
    """Those that none of the others covers."""
    return sorted(one for one in names if not any(other.covers(one) for other in names))


def _keep(part: MergedPart, parts: Sequence[MergedPart]) -> bool:
    """Keep what a damaged part was made of, unless some of it is gone."""
    sources = _direct_sources(part, parts)
    if not sources or sum(one.rows for one in sources) < part.rows:
        return False
    keep_sources(part.path, [one.path for one in _covered(part, parts)])
    return True


def _direct_sources(part: MergedPart, parts: Sequence[MergedPart]) -> list[MergedPart]:
    covered = _covered(part, parts)
    direct = set(_outermost([one.name for one in covered]))
    return [one for one in covered if one.name in direct]


def _covered(part: MergedPart, parts: Sequence[MergedPart]) -> list[MergedPart]:
    """What a part was made of, directly or not, and the engine has not removed."""
    return [one for one in parts if not one.is_active and part.name.covers(one.name)]
