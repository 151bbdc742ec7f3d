"""The files of a backup, and its manifest, which lists them with their hashes and makes the backup complete."""

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

FILE = "manifest.json"
FORMAT = 1
_PIECE = 1 << 20


class FileEntry(msgspec.Struct, frozen=True):
    """A file: its path in the backup, its number of rows, its size and SHA-256 (hex).

    Raises ValueError for a path that leads out of the backup: whoever can write to a backup must not choose which
    files of the machine a restore reads and writes.
    """

    path: str
    rows: int
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or "\\" in self.path or "\0" in self.path:
            raise ValueError(f"{self.path!r} is not a path within the backup")


class LogEntry(msgspec.Struct, frozen=True):
    """A log in the backup; `root` in hexadecimal. Events from `stored_end` on are in the journal.

    `missing` is the number of events that should have been in the event store and were not.
    """

    org_id: UUID
    slug: str
    origin_id: str
    size: int
    root: str
    stored_end: int
    missing: int = 0


class BackupManifest(msgspec.Struct, frozen=True):
    """The manifest, written last. `taken_at` is the moment that the control database was copied at.

    `store_version`: of the table of events; the first release did not write it.
    """

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
    store_version: int = 1

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


class NewFile:
    """A file being written: readable by its owner alone, hashed meanwhile, on disk when the block ends.

    Without `sync` the operating system writes it to the disk when it likes to.
    """

    def __init__(self, root: Path, path: str, *, sync: bool = True) -> None:
        self._path = path
        self._sync = sync
        self._hash = hashlib.sha256()
        self._written = 0
        target = root / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def __enter__(self) -> "NewFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if kind is None and self._sync:
            sync_file(self._file)
        self._file.close()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self._written += len(data)
        return self._file.write(data)

    def entry(self, rows: int) -> FileEntry:
        """The manifest's entry of the finished file."""
        return FileEntry(self._path, rows, self._written, self._hash.hexdigest())


def write_manifest(root: Path, manifest: BackupManifest) -> None:
    """Write the manifest, which completes the backup; on return everything is on disk."""
    with NewFile(root, FILE) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        sync_folder(folder)


def read_manifest(root: Path) -> BackupManifest:
    """The manifest of a backup; NotFound without one, Conflict when this version cannot read it."""
    path = root / FILE
    if not path.is_file():
        raise NotFound(f"{root} is not a complete backup: {FILE} is missing. Use an older backup.")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=BackupManifest)
    except msgspec.DecodeError as error:
        raise Conflict(f"{path} cannot be read ({error}). Use another backup.") from None
    if manifest.format != FORMAT:
        raise Conflict(f"{root} was made by Tallystick {manifest.version}, whose backups this version cannot read.")
    return manifest


def check_files(root: Path, manifest: BackupManifest, progress: Callable[[int], None]) -> None:
    """Compare every file with its hash; Conflict names the first that is missing, changed or unexpected."""
    listed = {file.path for file in manifest.files}
    there = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()} - {FILE}
    for path in sorted(there - listed):
        raise Conflict(f"{root / path} does not belong to this backup. Remove it, or use another backup.")
    for file in manifest.files:
        check_file(root, file, progress)


def check_file(root: Path, file: FileEntry, progress: Callable[[int], None] = lambda _size: None) -> None:
    """Compare a file with its hash; Conflict if it is missing or was changed."""
    digest, size = hashlib.sha256(), 0
    if (root / file.path).is_file():
        with open_file(root, file) as stream:
            for piece in iter(lambda: stream.read(_PIECE), b""):
                digest.update(piece)
                size += len(piece)
                progress(len(piece))
    if (size, digest.hexdigest()) != (file.bytes, file.sha256):
        raise Conflict(f"{root / file.path} is missing or was changed. Use another backup.")


def open_file(root: Path, file: FileEntry) -> BinaryIO:
    """Open a file for reading; Conflict for a path outside of the backup."""
    path = (root / file.path).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Conflict(f"{file.path} is not a path within the backup.")
    return cast("BinaryIO", path.open("rb"))


def files_in(manifest: BackupManifest, folder: str) -> Iterator[FileEntry]:
    """The files of a folder, in the order in which they were written."""
    return (file for file in manifest.files if file.path.startswith(f"{folder}/"))
