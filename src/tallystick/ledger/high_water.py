"""High-water marks: the last signed size and root of each log, in a file beside the control database.

A control database that was restored from an older copy does not know what was signed since. This file does, because
it is not part of that copy; the signer compares every log with it first. Lines are only appended, and are on disk
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
MIN_LINES_BEFORE_REWRITE = 10_000


class HighWaterMark(NamedTuple):
    """A signed size and root (32 bytes) of the log with this random id."""

    origin_id: str
    size: int
    root: bytes

    @property
    def line(self) -> str:
        return f"{self.origin_id} {self.size} {b64encode(self.root).decode()}\n"


class HighWaterMarks:
    """The marks of every log. One process uses the data directory, and one thread at a time calls."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._marks: dict[str, HighWaterMark] = {}
        self._lines = 0
        self._broken = False  # the last line may be incomplete: nothing may be appended to it

    def open(self) -> None:
        """Read the file, and drop a last line that a power cut broke off: no signature was given out for it."""
        if self.load():
            self._rewrite()

    def load(self) -> bool:
        """Read the file without changing it, also while a server runs; True when its last line is incomplete."""
        lines = self._read_lines()
        for line in lines:
            self._lines += 1
            if (mark := _parse(line)) is not None:
                self._keep(mark)
        return bool(lines) and not lines[-1].endswith("\n")

    def of(self, origin_id: str) -> HighWaterMark | None:
        """The mark with the largest size of this log, or None when this data directory has none."""
        return self._marks.get(origin_id)

    def largest_within(self, origin_id: str, size: int) -> HighWaterMark | None:
        """The largest mark of at most `size` entries in the file, where older lines stay until it is rewritten."""
        found = [mark for line in self._read_lines() if (mark := _parse(line)) is not None]
        mine = [mark for mark in found if mark.origin_id == origin_id and mark.size <= size]
        return max(mine, key=lambda mark: mark.size, default=None)

    def append(self, marks: Sequence[HighWaterMark]) -> None:
        """Append marks; on return they are on disk."""
        for mark in marks:
            self._keep(mark)
        if self._lines > MIN_LINES_BEFORE_REWRITE + 2 * len(self._marks) or self._broken or not self._path.exists():
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

    def _keep(self, mark: HighWaterMark) -> None:
        held = self._marks.get(mark.origin_id)
        if held is None or mark.size >= held.size:
            self._marks[mark.origin_id] = mark

    def _rewrite(self) -> None:
        """Replace the file by one with a single line for each log."""
        with replace_file(self._path, self._path.with_suffix(".new")) as file:
            file.write("".join(mark.line for mark in self._marks.values()).encode("ascii"))
        self._lines = len(self._marks)
        self._broken = False


def _parse(line: str) -> HighWaterMark | None:
    try:
        origin_id, size, root = line.removesuffix("\n").split(" ")
        mark = HighWaterMark(origin_id, int(size), b64decode(root, validate=True))
    except (ValueError, Error):
        return None
    return mark if line.endswith("\n") and len(mark.root) == HASH_BYTES else None
