"""Files under keys, wherever they are kept: what a directory and a bucket have in common."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from tallystick.destinations.guard import TargetError

BLOCK = 1 << 18


class FileMissing(TargetError):
    """There is no file under this key."""

    code = "no_file"


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a file's bytes are known by."""

    sha256: str
    bytes: int


class FileStorage(Protocol):
    """Files under keys such as `org_…/2026/step.zip`. Every method blocks and raises TargetError."""

    @property
    def where(self) -> str:
        """What the operator calls it; without a secret."""

    def put(self, key: str, file: BinaryIO) -> Checksum:
        """Keep the file, read from its start. On return it is there whole: what is kept was read back and compared.

        A file that was there under the key is replaced at once, and never half.
        """

    def get(self, key: str, file: BinaryIO) -> None:
        """Write what is there into `file`. FileMissing."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins so, in order; without what is not whole."""

    def delete(self, key: str) -> None:
        """Delete the file with every earlier version of it. Of a file that is not there nothing is said."""

    def forget_earlier(self, key: str) -> None:
        """Delete earlier versions of the file."""

    def forget_unfinished(self, prefix: str) -> None:
        """Delete what is left below a prefix of attempts to put something that broke off; call it while nobody puts."""


def checksum(blocks: Iterable[bytes]) -> Checksum:
    """The sum of a file, block by block."""
    digest, count = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        count += len(block)
    return Checksum(digest.hexdigest(), count)


def read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """A file from its start, block by block."""
    file.seek(0)
    while block := file.read(BLOCK):
        yield block


def verify_copy(sent: Checksum, there: Checksum, key: str) -> Checksum:
    """The sum, when both are the same; TargetError."""
    if sent != there:
        raise TargetError(f"{key} was not stored as sent: {there.bytes:,} of {sent.bytes:,} bytes match.")
    return sent
