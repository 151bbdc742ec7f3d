"""The files of exports: exports/<organization>/<export> in the data directory, readable by the server alone."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from tallystick.durable import replace_file
from tallystick.errors import Unavailable

FOLDER = "exports"
UNFINISHED = ".part"
MIN_FREE_BYTES = 1 << 30  # recording stops when less than half of it is free


def path_of(data_dir: Path, org_id: UUID, export_id: UUID) -> Path:
    """The path of an export's finished file."""
    return data_dir / FOLDER / org_id.hex / export_id.hex


class HashedFile:
    """A file being written, with its size and SHA-256. It has a position but cannot seek, like a pipe."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
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
def write_file(path: Path) -> Iterator[HashedFile]:
    """Write a file that gets its name once it is complete and on the disk; it is deleted when the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replace_file(path, path.with_name(path.name + UNFINISHED)) as file:
        yield HashedFile(file)


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


def check_free_space(data_dir: Path) -> None:
    """Raise Unavailable (`no_room`) when the disk is nearly full."""
    if shutil.disk_usage(data_dir).free < MIN_FREE_BYTES:
        raise Unavailable(
            f"Less than {MIN_FREE_BYTES >> 20:,} MiB are free on the server's disk. The operator must free up space.",
            code="no_room",
        )
