"""The files: exports/<organization>/<export> in the data directory, readable by the server alone."""

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
LEAST_FREE_BYTES = 1 << 30  # recording stops at less than half of it


def path_of(data_dir: Path, org_id: UUID, export_id: UUID) -> Path:
    """Where the file of an export is, once it is whole."""
    return data_dir / FOLDER / org_id.hex / export_id.hex


class Measured:
    """A file being written, with its size and hash. It can be told and not sought, as a pipe."""

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
        """Whoever opened the file closes it."""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def written(path: Path) -> Iterator[Measured]:
    """Write the file under another name; it gets its own when it is whole and on the disk, or is gone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replace_file(path, path.with_name(path.name + UNFINISHED)) as file:
        yield Measured(file)


def remove(path: Path) -> bool:
    """The file, and what was written of it so far; whether there was any."""
    found = False
    for one in (path, path.with_name(path.name + UNFINISHED)):
        try:
            one.unlink()
            found = True
        except FileNotFoundError:
            continue
    return found


def kept(data_dir: Path) -> Iterator[Path]:
    """Every file there is, whole or not."""
    folder = data_dir / FOLDER
    yield from (path for path in folder.glob("*/*") if path.is_file())


def check_room(data_dir: Path) -> None:
    """Unavailable (`no_room`) when the disk is nearly full."""
    if shutil.disk_usage(data_dir).free < LEAST_FREE_BYTES:
        raise Unavailable(
            f"Less than {LEAST_FREE_BYTES >> 20:,} MiB are free on the server's disk. The operator must free up space.",
            code="no_room",
        )
