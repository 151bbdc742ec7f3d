"""The erasure list: a file beside the databases, by which a restored backup is erased again.

`ledger.erasures` in the data directory; lines are appended, and are on disk before anything is erased. A line holds
indexes and parts, and for each index the first digits of its entry in the log, so that it is never applied to the
events of a different log. It contains no personal data.
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

FILE = "ledger.erasures"
MARK_DIGITS = 6
logger = structlog.get_logger(__name__)


class ErasureListLine(msgspec.Struct, frozen=True):
    """Events of one organization that lost the same parts (bits) in one erasure (`ers_…`).

    `indexes` is a set as text (`0-99,105`), `marks` the first MARK_DIGITS hex digits of each entry, concatenated.
    """

    org_id: UUID
    erasure: str
    parts: int
    indexes: str
    marks: str


_line = msgspec.json.Decoder(ErasureListLine)


def line_of(database: Database, org_id: UUID, erasure: str, parts: int, text: str) -> ErasureListLine | None:
    """The line of a set of indexes, with marks from the current log; None when no entry is left.

    Indexes whose entries have expired are left out: those events were purged long ago, and exist only in the archive.
    """
    listed = index_set.parse_indexes(text)
    marked = [(index, mark) for index, mark in zip(listed, _marks(database, org_id, listed), strict=True) if mark]
    if not marked:
        return None
    return ErasureListLine(
        org_id,
        erasure,
        parts,
        index_set.format_indexes([one for one, _ in marked]),
        "".join(mark for _, mark in marked),
    )


def append(data_dir: Path, lines: Sequence[ErasureListLine]) -> None:
    """Append the lines that the file does not have yet; on return they are on disk."""
    known = set(read(data_dir))
    fresh = [line for line in lines if line not in known]
    if not fresh:
        return
    path = data_dir / FILE
    with path.open("ab") as file:
        # The first newline ends a line that a power cut left incomplete.
        file.write(b"\n" + b"".join(msgspec.json.encode(line) + b"\n" for line in fresh))
        sync_file(file)
    sync_folder(data_dir)


def read(data_dir: Path) -> list[ErasureListLine]:
    """Every complete line, in order; unreadable lines are logged and skipped."""
    path = data_dir / FILE
    return parse(path.read_bytes()) if path.exists() else []


def parse(content: bytes) -> list[ErasureListLine]:
    """The lines in the content of such a file, as `read` gives them."""
    found: list[ErasureListLine] = []
    for number, raw in enumerate(content.split(b"\n"), 1):
        if not raw:
            continue
        try:
            found.append(_validated(_line.decode(raw)))
        except ValueError:  # of which msgspec.DecodeError is one
            logger.warning("erasures_line_unreadable", line=number)
    return found


def _validated(line: ErasureListLine) -> ErasureListLine:
    """The line itself; ValueError when it is damaged, which must not stop the server from starting."""
    count = sum(last - first + 1 for first, last in index_set.parse_ranges(line.indexes) if 0 <= first <= last)
    if len(line.marks) > MARK_DIGITS * count or count > len(line.marks) or not parts_of(line.parts):
        raise ValueError("not a line of this list")
    if mask_of(parts_of(line.parts)) != line.parts:
        raise ValueError("not parts of an event")
    return line


def matching_indexes(database: Database, line: ErasureListLine) -> list[int]:
    """The indexes of the line whose entries in the current log are the ones that the line was written for."""
    listed = index_set.parse_indexes(line.indexes)
    said = [line.marks[at : at + MARK_DIGITS] for at in range(0, len(line.marks), MARK_DIGITS)]
    marks = _marks(database, line.org_id, listed)
    return [index for index, was, mark in zip(listed, said, marks, strict=False) if mark and mark == was]


def _marks(database: Database, org_id: UUID, listed: Sequence[int]) -> Iterator[str]:
    """The mark of each index; empty where the log has no entry. Reads each entry tile once: `listed` is ascending."""
    nodes = DetachedNodes(database, org_id)
    position, entries = -1, b""
    for index in listed:
        if index // TILE_WIDTH != position:
            position = index // TILE_WIDTH
            entries = nodes.entries(position)
        place = index % TILE_WIDTH * ENTRY_BYTES
        yield entries[place : place + ENTRY_BYTES].hex()[:MARK_DIGITS]
