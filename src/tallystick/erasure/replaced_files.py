"""What was moved aside in the data directory: rows that a restarted log does not know, and older databases.

Nothing reads them any more, and they hold bytes all the same. Rows that speak of the person go: no log has them. The
databases that a restore replaced are whole, and the operator's to delete: until then the erasure is not over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from tallystick.durable import sync_folder
from tallystick.erasure.texts import Texts
from tallystick.errors import Unavailable
from tallystick.events.record import StoredEvent

TRIMMED = "trimmed-*.arrow"
REPLACED = "*.replaced-*"
_COLUMNS = ("org_id", "what", "target", "who", "details")


@dataclass(frozen=True)
class MovedAside:
    """In this server's data directory."""

    data_dir: Path
    name: str = "what was moved aside"

    def found(self, org_id: UUID, texts: Texts) -> int:
        """Rows that speak of the person, and databases that may."""
        return sum(_gone(path, org_id, texts) for path in self._trimmed()) + len(self._replaced())

    def erase(self, org_id: UUID, texts: Texts) -> int:
        """Take the rows out. Unavailable while there are older databases."""
        count = sum(_without(path, org_id, texts) for path in self._trimmed())
        if replaced := self._replaced():
            raise Unavailable(
                f"The data directory holds what a restore replaced ({replaced[0].name}). The operator has to delete "
                "it, or to take it to the backups.",
                code="older_copies",
            )
        return count

    def _trimmed(self) -> Sequence[Path]:
        for unfinished in self.data_dir.glob(f"{TRIMMED}.part"):
            unfinished.unlink()
        return sorted(self.data_dir.glob(TRIMMED))

    def _replaced(self) -> Sequence[Path]:
        return sorted(self.data_dir.glob(REPLACED))


def _without(path: Path, org_id: UUID, texts: Texts) -> int:
    """Write the file again without the rows, if there are any; it is replaced at once."""
    gone = _gone(path, org_id, texts)
    if not gone:
        return 0
    part = path.with_name(f"{path.name}.part")
    part.touch(0o600)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        path.open("rb") as source,
        part.open("wb") as target,
        pa.ipc.open_stream(source) as reader,
        pa.ipc.new_stream(target, reader.schema, options=options) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch.filter(pa.array(_kept(batch, org_id, texts))))
    sync_folder(part)
    part.replace(path)
    sync_folder(path.parent)
    return gone


def _gone(path: Path, org_id: UUID, texts: Texts) -> int:
    with path.open("rb") as source, pa.ipc.open_stream(source) as reader:
        return sum(_kept(batch, org_id, texts).count(False) for batch in reader)


def _kept(batch: Any, org_id: UUID, texts: Texts) -> list[bool]:
    """Of each row whether it is another organization's, or says nothing of the person."""
    rows = zip(*(batch.column(name).to_pylist() for name in _COLUMNS), strict=True)
    return [owner != org_id or not texts.kinds(_event(parts)) for owner, *parts in rows]


def _event(parts: Sequence[str]) -> StoredEvent:
    return StoredEvent(0, b"", 0, 0, *(part.encode() for part in parts))
