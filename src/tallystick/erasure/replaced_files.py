"""Erasure in replaced files of the data directory: events trimmed from a restarted log, and databases before a restore.

The server no longer reads them, but they still hold personal data. Rows of trimmed events are deleted, since no log
commits to them. Databases that a restore replaced are for the operator to delete; the erasure waits until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from tallystick.durable import replace_file
from tallystick.erasure.subject import SubjectMatcher
from tallystick.errors import Unavailable
from tallystick.events.record import StoredEvent

TRIMMED = "trimmed-*.arrow"
REPLACED = "*.replaced-*"
_COLUMNS = ("org_id", "what", "target", "who", "details")


@dataclass(frozen=True)
class ReplacedFiles:
    """The replaced files of this server's data directory."""

    data_dir: Path
    name: str = "replaced files"

    def count(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        """The number of trimmed events that name the person, and of replaced databases, which may."""
        return sum(_count_rows(path, org_id, matcher) for path in self._trimmed()) + len(self._replaced())

    def erase(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        """Delete the rows of trimmed events; Unavailable (`older_copies`) while there are replaced databases."""
        count = sum(_rewrite_without(path, org_id, matcher) for path in self._trimmed())
        if replaced := self._replaced():
            raise Unavailable(
                f"The data directory still holds a database that a restore replaced ({replaced[0].name}). The operator "
                "must delete it or move it to the backups.",
                code="older_copies",
            )
        return count

    def _trimmed(self) -> Sequence[Path]:
        for unfinished in self.data_dir.glob(f"{TRIMMED}.part"):
            unfinished.unlink()
        return sorted(self.data_dir.glob(TRIMMED))

    def _replaced(self) -> Sequence[Path]:
        return sorted(self.data_dir.glob(REPLACED))


def _rewrite_without(path: Path, org_id: UUID, matcher: SubjectMatcher) -> int:
    """Rewrite the file without the rows that name the person, if there are any; returns how many."""
    gone = _count_rows(path, org_id, matcher)
    if not gone:
        return 0
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        replace_file(path, path.with_name(f"{path.name}.part")) as target,
        path.open("rb") as source,
        pa.ipc.open_stream(source) as reader,
        pa.ipc.new_stream(target, reader.schema, options=options) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch.filter(pa.array(_rows_to_keep(batch, org_id, matcher))))
    return gone


def _count_rows(path: Path, org_id: UUID, matcher: SubjectMatcher) -> int:
    with path.open("rb") as source, pa.ipc.open_stream(source) as reader:
        return sum(_rows_to_keep(batch, org_id, matcher).count(False) for batch in reader)


def _rows_to_keep(batch: Any, org_id: UUID, matcher: SubjectMatcher) -> list[bool]:
    """For each row, whether it belongs to another organization or does not name the person."""
    rows = zip(*(batch.column(name).to_pylist() for name in _COLUMNS), strict=True)
    return [owner != org_id or not matcher.roles_in(_event(parts)) for owner, *parts in rows]


def _event(parts: Sequence[str]) -> StoredEvent:
    what, target, who, details = (part.encode() for part in parts)
    return StoredEvent(0, b"", 0, 0, what, target, who, details)
