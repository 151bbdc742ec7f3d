"""File storage in a directory of the operator."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import Checksum, FileMissing, checksum, read_blocks, verify_copy
from tallystick.durable import replace_file, sync_file, sync_folder
from tallystick.work.disk_space import DiskSpace

_PART = ".part"


@dataclass(frozen=True, slots=True)
class Directory:
    """A key is the path below `root`. Directories and files are readable only by the server's user.

    A symbolic link that leads out of `root` is no file and no directory: whoever can write there must not choose which
    files of the machine are read or written. `root` itself may be one.

    With `disk`, nothing is written while too little of it is free.
    """

    root: Path
    disk: DiskSpace | None = None

    @property
    def where(self) -> str:
        return str(self.root)

    def put(self, key: str, file: BinaryIO) -> Checksum:
        path = self._path(key)
        part = path.with_name(f".{path.name}{_PART}")
        with _translate_errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replace_file(path, part) as target:
                sent = checksum(_copy(self._while_free(read_blocks(file)), target))
                sync_file(target)
                verify_copy(sent, checksum(read_blocks(target)), key)
            for folder in (*(one for one in path.parents if self.root in one.parents), self.root):
                sync_folder(folder)
        return sent

    def get(self, key: str, file: BinaryIO) -> None:
        with _translate_errors():
            try:
                with self._path(key).open("rb") as source:
                    file.writelines(read_blocks(source))
            except FileNotFoundError:
                raise FileMissing(f"{key} does not exist.") from None

    def keys(self, prefix: str) -> Iterator[str]:
        with _translate_errors():
            # A missing directory is empty; one that cannot be read is an error.
            above, slash, _ = prefix.rpartition("/")
            folder = self.root / above
            within = self.root.resolve()
            found = sorted(_walk(folder, above + slash, within)) if folder.exists() else []
        yield from (key for key in found if key.startswith(prefix))

    def delete(self, key: str) -> None:
        with _translate_errors():
            self._path(key).unlink(missing_ok=True)

    def delete_earlier_versions(self, key: str) -> None:
        """Does nothing: a directory keeps no earlier versions."""

    def delete_interrupted_uploads(self, prefix: str, *, before: float | None = None) -> None:
        with _translate_errors():
            for part in (self.root / prefix.rpartition("/")[0]).rglob(f".*{_PART}"):
                is_old = before is None or part.lstat().st_mtime < before
                if is_old and str(part.relative_to(self.root)).startswith(prefix):
                    part.unlink(missing_ok=True)

    def _while_free(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The blocks, as long as enough of the disk is free. Raises TargetError."""
        for block in blocks:
            if self.disk is not None and not self.disk.may_work():
                raise TargetError(f"Less than {self.disk.least_bytes >> 20:,} MiB are free on the disk of {self.root}.")
            yield block

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part.startswith(".") or not part or "\0" in part for part in parts):
            raise ValueError("not a key")
        path = self.root.joinpath(*parts)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise TargetError(f"{key} is a symbolic link that leads out of {self.root}.")
        return path


def _copy(blocks: Iterator[bytes], target: BinaryIO) -> Iterator[bytes]:
    for block in blocks:
        target.write(block)
        yield block


def _walk(folder: Path, key: str, within: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_symlink():
            # A link to a directory above it would have no end.
            target = Path(entry.path).resolve()
            if not target.is_relative_to(within) or folder.resolve().is_relative_to(target):
                continue
        if entry.is_dir(follow_symlinks=True):
            yield from _walk(Path(entry.path), f"{key}{entry.name}/", within)
        elif not entry.name.startswith("."):
            yield key + entry.name


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(f"The directory cannot be used: {error.strerror or type(error).__name__}.") from error
