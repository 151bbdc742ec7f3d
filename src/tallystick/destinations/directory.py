"""Files under keys in a directory of the operator's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tallystick.destinations.file_storage import Checksum, FileMissing, checksum, read_blocks, verify_copy
from tallystick.destinations.guard import TargetError
from tallystick.durable import replace_file, sync_file, sync_folder

_PART = ".part"


@dataclass(frozen=True, slots=True)
class Directory:
    """The key is the path below `root`. Directories and files are readable by the server alone."""

    root: Path

    @property
    def where(self) -> str:
        return str(self.root)

    def put(self, key: str, file: BinaryIO) -> Checksum:
        path = self._path(key)
        part = path.with_name(f".{path.name}{_PART}")
        with _said():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replace_file(path, part) as target:
                sent = checksum(_through(read_blocks(file), target))
                sync_file(target)
                verify_copy(sent, checksum(read_blocks(target)), key)
            for folder in (*(one for one in path.parents if self.root in one.parents), self.root):
                sync_folder(folder)
        return sent

    def get(self, key: str, file: BinaryIO) -> None:
        with _said():
            try:
                with self._path(key).open("rb") as source:
                    file.writelines(read_blocks(source))
            except FileNotFoundError:
                raise FileMissing(f"{key} does not exist.") from None

    def keys(self, prefix: str) -> Iterator[str]:
        with _said():
            # A directory that is not there holds nothing; one that cannot be read is no empty one.
            above, slash, _ = prefix.rpartition("/")
            folder = self.root / above
            found = sorted(_below(folder, above + slash)) if folder.exists() else []
        yield from (key for key in found if key.startswith(prefix))

    def delete(self, key: str) -> None:
        with _said():
            self._path(key).unlink(missing_ok=True)

    def forget_earlier(self, key: str) -> None:
        """A directory keeps none."""

    def forget_unfinished(self, prefix: str) -> None:
        with _said():
            for part in (self.root / prefix.rpartition("/")[0]).rglob(f".*{_PART}"):
                if str(part.relative_to(self.root)).startswith(prefix):
                    part.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part.startswith(".") or not part or "\0" in part for part in parts):
            raise ValueError("not a key")
        return self.root.joinpath(*parts)


def _through(blocks: Iterator[bytes], target: BinaryIO) -> Iterator[bytes]:
    for block in blocks:
        target.write(block)
        yield block


def _below(folder: Path, key: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=True):
            yield from _below(Path(entry.path), f"{key}{entry.name}/")
        elif not entry.name.startswith("."):
            yield key + entry.name


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(f"The directory cannot be used: {error.strerror or type(error).__name__}.") from error
