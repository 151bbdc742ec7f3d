"""What a copy is made of: files with their hashes, and the list of them that makes it whole."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast
from uuid import UUID

import msgspec

from tallystick.durable import sync_file, sync_folder
from tallystick.errors import Conflict, NotFound

NAME = "manifest.json"
FORMAT = 1
_PIECE = 1 << 20


class FileEntry(msgspec.Struct, frozen=True):
    """One file: its path in the copy, what it holds, its size and hash."""

    path: str
    rows: int
    bytes: int
    sha256: str


class LogEntry(msgspec.Struct, frozen=True):
    """A log as the copy has it; `root` in hexadecimal. Events from `stored_end` on are in the journal.

    `missing`: so many that the log says are kept were not in the event store.
    """

    org_id: UUID
    slug: str
    origin_id: str
    size: int
    root: str
    stored_end: int
    missing: int = 0


class Manifest(msgspec.Struct, frozen=True):
    """The last file that is written. `taken_at`: the moment of which the control database is a copy."""

    backup_id: UUID
    format: int
    version: str
    revision: str
    control: str
    taken_at: str
    finished_at: str
    events: int
    logs: list[LogEntry]
    files: list[FileEntry]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


class NewFile:
    """A file of a copy while it is written: for its owner alone, hashed on the way, on disk at the end."""

    def __init__(self, root: Path, path: str) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self._written = 0
        target = root / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def __enter__(self) -> "NewFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if kind is None:
            sync_file(self._file)
        self._file.close()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self._written += len(data)
        return self._file.write(data)

    def entry(self, rows: int) -> FileEntry:
        """What the manifest says of it, once it is written."""
        return FileEntry(self._path, rows, self._written, self._hash.hexdigest())


def write(root: Path, manifest: Manifest) -> None:
    """Write the manifest: the copy is whole."""
    with NewFile(root, NAME) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        sync_folder(folder)


def read(root: Path) -> Manifest:
    """The manifest of a copy; NotFound, or Conflict when this version cannot read it."""
    path = root / NAME
    if not path.is_file():
        raise NotFound(f"{root} is not a complete backup: {NAME} is missing. Use an older backup.")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise Conflict(f"{path} cannot be read ({error}). Use another backup.") from None
    if manifest.format != FORMAT:
        raise Conflict(f"{root} was made by Tallystick {manifest.version}, whose backups this version cannot read.")
    return manifest


def check(root: Path, manifest: Manifest, progress: Callable[[int], None]) -> None:
    """Compare every file with its hash; Conflict that names the first that is missing, changed or too many."""
    listed = {file.path for file in manifest.files}
    there = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()} - {NAME}
    for path in sorted(there - listed):
        raise Conflict(f"{root / path} does not belong to this backup. Remove it, or use another backup.")
    for file in manifest.files:
        digest, size = hashlib.sha256(), 0
        if file.path in there:
            with opened(root, file) as stream:
                for piece in iter(lambda: stream.read(_PIECE), b""):
                    digest.update(piece)
                    size += len(piece)
                    progress(len(piece))
        if (size, digest.hexdigest()) != (file.bytes, file.sha256):
            raise Conflict(f"{root / file.path} is missing or was changed. Use another backup.")


def opened(root: Path, file: FileEntry) -> BinaryIO:
    """The file for reading; never one outside of the copy."""
    path = (root / file.path).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Conflict(f"{file.path} is no path within a backup.")
    return cast("BinaryIO", path.open("rb"))


def below(manifest: Manifest, folder: str) -> Iterator[FileEntry]:
    """The files of one folder, in the order in which they were written."""
    return (file for file in manifest.files if file.path.startswith(f"{folder}/"))
