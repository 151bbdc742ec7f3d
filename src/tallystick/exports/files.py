"""The files of exports: exports/<organization>/<export> in the data directory, readable by the server alone."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from tallystick.durable import replace_file
from tallystick.errors import Conflict
from tallystick.work.disk_space import DiskSpace

FOLDER = "exports"
UNFINISHED = ".part"
SHARE = 10  # of what is free on the disk, one organization's files may take this part
SPACE_ADVICE = "Delete some, wait until they expire, or export fewer events."


def path_of(data_dir: Path, org_id: UUID, export_id: UUID) -> Path:
    """The path of an export's finished file."""
    return data_dir / FOLDER / org_id.hex / export_id.hex


class HashedFile:
    """A file being written, with its size and SHA-256. It has a position but cannot seek, like a pipe.

    Writing more than `most_bytes` raises Conflict (`no_export_space`).
    """

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        if self.bytes + len(data) > self._most_bytes:
            raise Conflict(
                f"The file is larger than what is left for the organization's export files, "
                f"{megabytes(self._most_bytes)}. {SPACE_ADVICE}",
                code="no_export_space",
            )
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)
        return len(data)

    def writelines(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.bytes

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing: `write_file` closes the file."""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def write_file(path: Path, most_bytes: int) -> Iterator[HashedFile]:
    """Write a file that gets its name once it is complete and on the disk; it is deleted when the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replace_file(path, path.with_name(path.name + UNFINISHED)) as file:
        yield HashedFile(file, most_bytes)


def remove(path: Path) -> bool:
    """Delete a file and its unfinished version; False when neither existed."""
    found = False
    for one in (path, path.with_name(path.name + UNFINISHED)):
        try:
            one.unlink()
            found = True
        except FileNotFoundError:
            continue
    return found


def list_files(data_dir: Path) -> Iterator[Path]:
    """Every file, finished or not."""
    folder = data_dir / FOLDER
    yield from (path for path in folder.glob("*/*") if path.is_file())


def space_left(data_dir: Path, org_id: UUID, most_bytes: int, disk: DiskSpace) -> int:
    """How many bytes more the export files of an organization may have.

    All of them may have `most_bytes`, and a tenth of what the disk has for export files beside those of other
    organizations: so none of these can use up the disk. Raises Conflict (`no_export_space`) if nothing is left.
    """
    kept = sum(_size(path) for path in (data_dir / FOLDER / org_id.hex).glob("*"))
    free = max(0, disk.free() - disk.least_bytes)
    share = min(most_bytes, (free + kept) // SHARE)
    if kept >= share:
        raise Conflict(
            f"The organization's export files take {megabytes(kept)}, of {megabytes(share)} that they may take. "
            f"{SPACE_ADVICE}",
            code="no_export_space",
        )
    return share - kept


def megabytes(number: int) -> str:
    """A number of bytes in words: `1,234 MB`."""
    return f"{number / 1_000_000:,.0f} MB"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # deleted meanwhile
        return 0
