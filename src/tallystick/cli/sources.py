"""Files of real logs, read event by event with the place where each stands."""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from tallystick.events.importers import cloudtrail, ndjson

GZIP_MAGIC = b"\x1f\x8b"
STANDARD_INPUT = "-"
FORMATS = ("tallystick", "cloudtrail")


class Read(NamedTuple):
    """An event and its place; or no event, and the problem."""

    place: str
    event: dict[str, Any] | None
    problem: str = ""


class Counted(io.RawIOBase):
    """A stream that tells how many of its bytes were read, for the progress bar."""

    def __init__(self, inner: BinaryIO, advance: Callable[[int], None]) -> None:
        self._inner = inner
        self._advance = advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        self._advance(len(data))
        return len(data)


def read_file(name: str, log_format: str, advance: Callable[[int], None]) -> Iterator[Read]:
    """Everything in a file, `-` being standard input; gzip is recognised by its first bytes.

    What cannot be parsed comes as a problem with its place, and reading goes on where the format allows.
    Raises OSError when the file cannot be opened.
    """
    if name == STANDARD_INPUT:
        yield from _read(name, io.BufferedReader(Counted(sys.stdin.buffer, advance)), log_format)
        return
    with Path(name).open("rb") as raw:
        yield from _read(name, io.BufferedReader(Counted(raw, advance)), log_format)


def _read(name: str, raw: io.BufferedReader, log_format: str) -> Iterator[Read]:
    shown = "standard input" if name == STANDARD_INPUT else name
    packed = raw.peek(2)[:2] == GZIP_MAGIC
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw) if packed else raw)
    with stream:
        try:
            yield from _lines(shown, stream) if log_format == "tallystick" else _records(shown, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            yield Read(shown, None, f"broken gzip ({problem}); what came before it was read")


def _lines(name: str, stream: BinaryIO) -> Iterator[Read]:
    """One event a line; a line that is none does not stop the others."""
    for number, line in enumerate(stream, 1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if text.isspace():
            continue
        place = f"{name}:{number}"
        try:
            event = ndjson.event_of_line(text)
        except ValueError as problem:
            yield Read(place, None, str(problem))
        else:
            yield Read(place, event)


def _records(name: str, stream: BinaryIO) -> Iterator[Read]:
    try:
        for number, event in enumerate(cloudtrail.read(stream), 1):
            yield Read(f"{name}, record {number}", event)
    except ValueError as problem:
        yield Read(name, None, f"not a CloudTrail file ({problem})")
