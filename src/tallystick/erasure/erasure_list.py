"""The list of what was erased, beside the databases: what makes an older copy of them forget again.

`ledger.erasures` in the data directory, appended to and on disk before anything is erased. A line names indexes and
parts, and of each index the beginning of its entry in the log, so that it is never applied to another history.
There is nothing personal in it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from tallystick.database.engine import Database
from tallystick.durable import sync_file, sync_folder
from tallystick.ledger.nodes import DetachedNodes
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.remains import mask_of, parts_of
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.retention import index_set

NAME = "ledger.erasures"
MARK_LETTERS = 6
logger = structlog.get_logger(__name__)


class Line(msgspec.Struct, frozen=True):
    """Events of one organization that lost the same parts (bits) by one erasure (`ers_…`)."""

    org_id: UUID
    erasure: str
    parts: int
    indexes: str
    marks: str


_line = msgspec.json.Decoder(Line)


def line_of(database: Database, org_id: UUID, erasure: str, parts: int, text: str) -> Line | None:
    """The line for a set of indexes, marked by the log as it is now; without those whose entries are past their tail.

    Those were purged long ago, and are in the archive alone.
    """
    listed = index_set.parse_indexes(text)
    marked = [(index, mark) for index, mark in zip(listed, _marks(database, org_id, listed), strict=True) if mark]
    if not marked:
        return None
    return Line(
        org_id,
        erasure,
        parts,
        index_set.format_indexes([one for one, _ in marked]),
        "".join(mark for _, mark in marked),
    )


def append(data_dir: Path, lines: Sequence[Line]) -> None:
    """Write lines that are not there yet; on return they are on disk."""
    known = set(read(data_dir))
    fresh = [line for line in lines if line not in known]
    if not fresh:
        return
    path = data_dir / NAME
    with path.open("ab") as file:
        # A line that a power cut broke ends here.
        file.write(b"\n" + b"".join(msgspec.json.encode(line) + b"\n" for line in fresh))
        sync_file(file)
    sync_folder(data_dir)


def read(data_dir: Path) -> list[Line]:
    """Every whole line, in order."""
    path = data_dir / NAME
    found: list[Line] = []
    for number, raw in enumerate(path.read_bytes().split(b"\n") if path.exists() else [], 1):
        if not raw:
            continue
        try:
            found.append(_checked(_line.decode(raw)))
        except ValueError:  # of which msgspec.DecodeError is one
            logger.warning("erasures_line_unreadable", line=number)
    return found


def _checked(line: Line) -> Line:
    """The line; ValueError for one that was never written, which must keep no server from starting."""
    count = sum(last - first + 1 for first, last in index_set.parse_ranges(line.indexes) if 0 <= first <= last)
    if len(line.marks) > MARK_LETTERS * count or count > len(line.marks) or not parts_of(line.parts):
        raise ValueError("not a line of this list")
    if mask_of(parts_of(line.parts)) != line.parts:
        raise ValueError("not parts of an event")
    return line


def applying(database: Database, line: Line) -> list[int]:
    """The indexes of the line that are the same events in the log as it is now."""
    listed = index_set.parse_indexes(line.indexes)
    said = [line.marks[at : at + MARK_LETTERS] for at in range(0, len(line.marks), MARK_LETTERS)]
    marks = _marks(database, line.org_id, listed)
    return [index for index, was, mark in zip(listed, said, marks, strict=False) if mark and mark == was]


def _marks(database: Database, org_id: UUID, listed: Sequence[int]) -> Iterator[str]:
    """The mark of each index; empty where the log has no such entry."""
    nodes = DetachedNodes(database, org_id)
    position, entries = -1, b""
    for index in listed:
        if index // TILE_WIDTH != position:
            position = index // TILE_WIDTH
            entries = nodes.entries(position)
        place = index % TILE_WIDTH * ENTRY_BYTES
        yield entries[place : place + ENTRY_BYTES].hex()[:MARK_LETTERS]
