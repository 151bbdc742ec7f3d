"""The high-water marks: the last size and root that were signed of each log, in a file beside the database.

A control database that was set back to an older copy does not know what it signed since. This file does,
because it is no part of that copy: whoever signs reads it first. Lines are only added, and are on disk
before a signature leaves the process.
"""

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tallystick.durable import replace_file, sync_file
from tallystick.merkle.tree import HASH_BYTES

FILE = "ledger.marks"
LINES_BEFORE_REWRITING = 10_000


class Mark(NamedTuple):
    """So many entries with this root were signed of the log with this random id."""

    origin_id: str
    size: int
    root: bytes

    @property
    def line(self) -> str:
        return f"{self.origin_id} {self.size} {b64encode(self.root).decode()}\n"


class Marks:
    """The marks of every log. One process has the data directory, one thread at a time calls."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._held: dict[str, Mark] = {}
        self._lines = 0
        self._broken = False  # the last line may be half a line: nothing is added behind it

    def open(self) -> None:
        """Read what is there; a last line that a power cut broke off was never relied upon."""
        if self.look():
            self._rewrite()

    def look(self) -> bool:
        """Read what is there and change nothing, also beside a server that writes; whether the last line is broken."""
        lines = self._read_lines()
        for line in lines:
            self._lines += 1
            if (mark := _read(line)) is not None:
                self._keep(mark)
        return bool(lines) and not lines[-1].endswith("\n")

    def of(self, origin_id: str) -> Mark | None:
        """The largest size signed of this log, as far as this data directory knows."""
        return self._held.get(origin_id)

    def within(self, origin_id: str, size: int) -> Mark | None:
        """The largest of at most `size` entries that the file still has: older lines stay until it is rewritten."""
        found = [mark for line in self._read_lines() if (mark := _read(line)) is not None]
        mine = [mark for mark in found if mark.origin_id == origin_id and mark.size <= size]
        return max(mine, key=lambda mark: mark.size, default=None)

    def put(self, marks: Sequence[Mark]) -> None:
        """Add marks; on return they are on disk."""
        for mark in marks:
            self._keep(mark)
        if self._lines > LINES_BEFORE_REWRITING + 2 * len(self._held) or self._broken or not self._path.exists():
            self._rewrite()
            return
        self._broken = True
        with self._path.open("a", encoding="ascii") as file:
            file.write("".join(mark.line for mark in marks))
            sync_file(file)
        self._broken = False
        self._lines += len(marks)

    def _read_lines(self) -> list[str]:
        text = self._path.read_text(encoding="ascii", errors="replace") if self._path.exists() else ""
        return text.splitlines(keepends=True)

    def _keep(self, mark: Mark) -> None:
        held = self._held.get(mark.origin_id)
        if held is None or mark.size >= held.size:
            self._held[mark.origin_id] = mark

    def _rewrite(self) -> None:
        """Replace the file by one with a single line for each log."""
        with replace_file(self._path, self._path.with_suffix(".new")) as file:
            file.write("".join(mark.line for mark in self._held.values()).encode("ascii"))
        self._lines = len(self._held)
        self._broken = False


def _read(line: str) -> Mark | None:
    try:
        origin_id, size, root = line.removesuffix("\n").split(" ")
        mark = Mark(origin_id, int(size), b64decode(root, validate=True))
    except (ValueError, Error):
        return None
    return mark if line.endswith("\n") and len(mark.root) == HASH_BYTES else None
