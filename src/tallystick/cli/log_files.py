"""Reads log files event by event, with the file and line of each event."""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from tallystick.events.importers import cloudtrail, json_array, ndjson

GZIP_MAGIC = b"\x1f\x8b"
STANDARD_INPUT = "-"
FORMATS = ("tallystick", "cloudtrail")


class ParsedEvent(NamedTuple):
    """An event and its location in the file, or None and the problem that prevented parsing."""

    location: str
    event: dict[str, Any] | None
    problem: str = ""


class CountingStream(io.RawIOBase):
    """A byte stream that calls `advance` with the number of bytes of each read, for the progress bar."""

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


def read_file(name: str, log_format: str, advance: Callable[[int], None]) -> Iterator[ParsedEvent]:
    """The events of a file, or of standard input for `-`; gzip is recognized by its first bytes.

    An event that cannot be parsed is yielded as a problem, and reading continues if the format allows it.
    Raises OSError if the file cannot be opened.
    """
    if name == STANDARD_INPUT:
        yield from _read(name, io.BufferedReader(CountingStream(sys.stdin.buffer, advance)), log_format)
        return
    with Path(name).open("rb") as raw:
        yield from _read(name, io.BufferedReader(CountingStream(raw, advance)), log_format)


def _read(name: str, raw: io.BufferedReader, log_format: str) -> Iterator[ParsedEvent]:
    shown = "standard input" if name == STANDARD_INPUT else name
    packed = raw.peek(2)[:2] == GZIP_MAGIC
    with _unpacked(raw) if packed else raw as stream:
        try:
            if log_format == "tallystick":
                yield from _array(shown, stream) if _begins_array(stream) else _lines(shown, stream)
            else:
                yield from _records(shown, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            yield ParsedEvent(shown, None, f"broken gzip ({problem}); what came before it was read")


def _unpacked(raw: io.BufferedReader) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)))


def _begins_array(stream: io.BufferedReader) -> bool:
    """Whether an array follows, as in a JSON export, and no lines; skips what may stand before it."""
    if stream.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return stream.peek(1).lstrip()[:1] == b"["


def _array(name: str, stream: BinaryIO) -> Iterator[ParsedEvent]:
    """The events of a JSON array; one that is no event is yielded as a problem, a broken array ends the file."""
    number = 0
    try:
        for number, text in enumerate(json_array.objects(stream), 1):
            yield _parse(f"{name}, event {number}", text)
    except ValueError as problem:
        yield ParsedEvent(f"{name}, event {number + 1}", None, f"{problem}; what came before it was read")


def _lines(name: str, stream: BinaryIO) -> Iterator[ParsedEvent]:
    """The events of a file with one JSON object per line; invalid lines are yielded as problems."""
    number = 0
    while line := stream.readline(ndjson.MAX_EVENT_BYTES):
        number += 1
        location = f"{name}:{number}"
        if len(line) == ndjson.MAX_EVENT_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(ndjson.MAX_EVENT_BYTES)
            yield ParsedEvent(location, None, f"the line has more than {ndjson.MAX_EVENT_BYTES >> 20} MiB")
        elif not line.isspace():
            yield _parse(location, line)


def _parse(location: str, text: bytes) -> ParsedEvent:
    try:
        return ParsedEvent(location, ndjson.event_of_line(text))
    except ValueError as problem:
        return ParsedEvent(location, None, str(problem))


def _records(name: str, stream: BinaryIO) -> Iterator[ParsedEvent]:
    try:
        for number, event in enumerate(cloudtrail.read(stream), 1):
            yield ParsedEvent(f"{name}, record {number}", event)
    except ValueError as problem:
        yield ParsedEvent(name, None, f"not a CloudTrail file ({problem})")
