"""The directories of data parts, and of the source parts that a merge or a change of rows made another part of.

The engine keeps the sources for some seconds, and removes them then. Those of a damaged part are moved to a folder
where it removes nothing, under the name `<damaged part>~<source>`, until they are back in the table.
"""

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import structlog

from tallystick.durable import sync_folder

_NAME = re.compile(r"(\d+)_(\d+)_(\d+)_(\d+)(?:_(\d+))?")
_TABLE_ID = re.compile(r"UUID '([0-9a-f-]{36})'")
_SEPARATOR = "~"
DETACHED = "detached"
KEPT_SOURCES = "kept_sources"  # in `detached`
_REPLACED = "replaced_"  # before the name of a damaged part in `detached`
logger = structlog.get_logger(__name__)


class PartName(NamedTuple):
    """A name of a data part: `<partition>_<first>_<last>_<level>`, and `_<mutation>` after a change of rows.

    `first` and `last` number the inserts that its rows came by, `level` counts the merges.
    """

    partition: str
    first: int
    last: int
    level: int
    mutation: int

    @property
    def is_inserted(self) -> bool:
        """Whether an insert made the part."""
        return not self.level and not self.mutation and self.first == self.last

    def is_version_of(self, other: "PartName") -> bool:
        """Whether it is the other one, or that one after a change of rows, or before."""
        return self._replace(mutation=0) == other._replace(mutation=0)

    def covers(self, other: "PartName") -> bool:
        """Whether it was made of the other one, directly or not."""
        return (
            self != other
            and self.partition == other.partition
            and self.first <= other.first <= other.last <= self.last
            and self.level >= other.level
            and self.mutation >= other.mutation
        )


def parse_part_name(name: str) -> PartName | None:
    """The parsed name of a part of the table of events; None for other names."""
    if (found := _NAME.fullmatch(name)) is None:
        return None
    partition, *numbers = found.groups(default="0")
    return PartName(partition, *map(int, numbers))


def keep_sources(damaged: Path, sources: Sequence[Path]) -> None:
    """Move the directories of the sources of a damaged part away from the engine.

    Needs no space on the disk once the folder was made. What the engine has removed meanwhile is passed over.
    """
    folder = make_folder(damaged.parent)
    for source in sources:
        with suppress(FileNotFoundError):
            source.rename(folder / f"{damaged.name}{_SEPARATOR}{source.name}")
    sync_folder(folder)
    sync_folder(damaged.parent)


def make_folder(table: Path) -> Path:
    """The folder of kept sources in the directory of a table, made if it is missing."""
    folder = table / DETACHED / KEPT_SOURCES
    if not folder.exists():
        folder.mkdir(parents=True)
        sync_folder(folder.parent)
    return folder


def kept_sources(table: Path) -> dict[str, dict[PartName, Path]]:
    """By the name of each damaged part: the directories of its kept sources."""
    found: dict[str, dict[PartName, Path]] = {}
    folder = table / DETACHED / KEPT_SOURCES
    for path in folder.iterdir() if folder.exists() else ():
        if name := parse_part_name(source_of(path)):
            found.setdefault(path.name.partition(_SEPARATOR)[0], {})[name] = path
    return found


def source_of(kept: Path) -> str:
    """The name in the table of a part whose directory was kept."""
    return kept.name.partition(_SEPARATOR)[2]


def restore_sources(place: Path) -> None:
    """Put kept sources back into the table while no engine has the store in the directory `place` open.

    The damaged part is moved to `detached`: the engine then loads its sources. If the part is no longer there, they are
    in the table already.
    """
    if (table := table_directory(place)) is None:
        return
    for name, sources in kept_sources(table).items():
        damaged = _versions(table, name)
        for path in sources.values():
            if damaged:
                path.rename(table / source_of(path))
            else:
                shutil.rmtree(path)
        for part in damaged:
            _set_aside(part)
        logger.warning("source_parts_restored", part=name, sources=[source_of(path) for path in sources.values()])


def replace_by_sources(place: Path, name: str) -> None:
    """Move a damaged part to `detached`, so that the engine, which must not run, loads what it was made of."""
    if (table := table_directory(place)) is not None:
        _set_aside(table / name)
        logger.warning("source_parts_restored", part=name)


def remove_replaced(table: Path) -> None:
    """Delete the damaged parts that a start has moved to `detached`."""
    for path in (table / DETACHED).glob(f"{_REPLACED}*"):
        shutil.rmtree(path)


def _set_aside(part: Path) -> None:
    aside = part.parent / DETACHED / f"{_REPLACED}{part.name}"
    shutil.rmtree(aside, ignore_errors=True)
    part.rename(aside)
    sync_folder(aside.parent)
    sync_folder(part.parent)


def has_sources(place: Path, name: str) -> bool:
    """Whether the parts that the part was made of are in the table in the directory `place`: the first and the last."""
    table, part = table_directory(place), parse_part_name(name)
    if table is None or part is None:
        return False
    covered = [one for path in table.iterdir() if (one := parse_part_name(path.name)) and part.covers(one)]
    return bool(covered) and (min(one.first for one in covered), max(one.last for one in covered)) == part[1:3]


def table_directory(place: Path) -> Path | None:
    """The directory of the table of events of the embedded store in `place`; None if there is none."""
    definition = place / "metadata/default/events.sql"
    if not definition.exists():
        return None
    found = _TABLE_ID.search(definition.read_text(encoding="utf-8"))
    directory = place / "store" / found.group(1)[:3] / found.group(1) if found else None
    return directory if directory and directory.is_dir() else None


def _versions(table: Path, name: str) -> list[Path]:
    """The directories of a part and of the same part after changes of rows."""
    wanted = parse_part_name(name)
    named = ((path, parse_part_name(path.name)) for path in table.iterdir())
    return [
        path
        for path, part in named
        if wanted and part and part.is_version_of(wanted) and part.mutation >= wanted.mutation
    ]
