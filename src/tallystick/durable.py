"""Files that survive a power cut: written under another name, forced to the disk, then renamed into place.

A rename is atomic on POSIX file systems, but it outlives a power cut only once the folder is on the disk too, and
it may reach the disk before the content unless the content was forced there first. Hence the order in `replace_file`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

BUFFER_BYTES = 1 << 18


@contextmanager
def replace_file(path: Path, unfinished: Path) -> Iterator[BinaryIO]:
    """Write `path` completely or not at all: the block writes `unfinished`, which is renamed when it succeeds.

    Both are in one folder, which must exist. The file is readable and writable, for its owner alone (mode 0600). When
    the block raises, `path` stays as it was and `unfinished` is removed.
    """
    # A new inode, never the one that another process may still be writing to under this name.
    unfinished.unlink(missing_ok=True)
    try:
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b", buffering=BUFFER_BYTES) as file:
            yield file
            sync_file(file)
        unfinished.replace(path)
        sync_folder(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def sync_file(file: IO[bytes] | IO[str]) -> None:
    """Force what was written to an open file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk: files that were created, renamed or removed there."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
