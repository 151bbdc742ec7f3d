"""File storage: the interface that a directory and a bucket have in common."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

from tallystick.destinations.address_guard import TargetError
from tallystick.errors import Conflict

BLOCK = 1 << 18


class FileMissing(TargetError):
    """There is no file with this key."""

    code = "no_file"


@dataclass(frozen=True, slots=True)
class Checksum:
    """SHA-256 and size of a file."""

    sha256: str
    bytes: int


class FileStorage(Protocol):
    """Stores files by keys such as `org_…/2026/step.zip`. Every method blocks and raises TargetError."""

    @property
    def where(self) -> str:
        """The directory or bucket as the operator named it, without secrets."""

    def put(self, key: str, file: BinaryIO) -> Checksum:
        """Stores the file, read from its start; on return the stored bytes were read back and compared.

        An existing file with this key is replaced atomically.
        """

    def get(self, key: str, file: BinaryIO) -> None:
        """Copies the stored file into `file`. Raises FileMissing."""

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with `prefix`, in order, without incomplete files."""

    def delete(self, key: str) -> None:
        """Deletes the file and all its earlier versions; a missing file is no error."""

    def delete_earlier_versions(self, key: str) -> None:
        """Deletes earlier versions of the file."""

    def delete_interrupted_uploads(self, prefix: str, *, before: float | None = None) -> None:
        """Deletes the remains of interrupted uploads below a prefix: of those begun before that time (s since 1970).

        Without `before`, of all: call it so while nothing is being stored there.
        """


class BoundedFile(io.RawIOBase):
    """Passes what is written on to another file, as long as it is at most `most` bytes. Raises Conflict."""

    def __init__(self, file: BinaryIO, most: int, key: str) -> None:
        self._file = file
        self._left = most
        self._key = key

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise Conflict(f"{self._key} is larger than it can be, so it was changed.")
        return self._file.write(data)


def read_small(storage: FileStorage, key: str, most: int) -> bytes:
    """The content of a file of at most `most` bytes. Raises FileMissing, and Conflict if it is larger."""
    content = io.BytesIO()
    get_bounded(storage, key, content, most)
    return content.getvalue()


def get_bounded(storage: FileStorage, key: str, file: BinaryIO, most: int) -> None:
    """Copies a stored file of at most `most` bytes into `file`; raises as `read_small`."""
    storage.get(key, cast("BinaryIO", BoundedFile(file, most, key)))


def checksum(blocks: Iterable[bytes]) -> Checksum:
    """The checksum of blocks."""
    digest, count = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        count += len(block)
    return Checksum(digest.hexdigest(), count)


def read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Reads a file from its start in blocks."""
    file.seek(0)
    while block := file.read(BLOCK):
        yield block


def verify_copy(sent: Checksum, there: Checksum, key: str) -> Checksum:
    """The checksum, if both are the same. Raises TargetError."""
    if sent != there:
        raise TargetError(f"{key} was not stored as sent: {there.bytes:,} of {sent.bytes:,} bytes match.")
    return sent
