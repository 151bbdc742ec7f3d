"""The objects of a JSON array, one after the other in bounded memory: the layout of Tallystick's JSON exports."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from tallystick.events.importers.ndjson import MAX_EVENT_BYTES

CHUNK_BYTES = 256 << 10
_BLANK = re.compile(rb"\s*")
# A whole string, a brace or bracket, or the beginning of a string whose end is not read yet.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]|"', re.DOTALL)


def objects(stream: BinaryIO) -> Iterator[bytes]:
    """The text of each object of the array that the stream consists of; the text itself is not parsed.

    Raises ValueError with what is wrong if the array ends too early or holds something else, after the objects
    before it.
    """
    array = _ArrayReader(stream)
    array.expect(b"[", "an array begins with [")
    if array.next_byte() == b"]":
        array.expect(b"]", "")
    else:
        yield array.read_object()
        while array.next_byte() == b",":
            array.expect(b",", "")
            yield array.read_object()
        array.expect(b"]", "the array ends too early, or its events are not separated by commas")
    if array.next_byte():
        raise ValueError("something stands behind the array")


class _ArrayReader:
    """The part of the stream that is in memory: at most one object and a chunk."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0

    def next_byte(self) -> bytes:
        """The next byte that is not blank, which is not consumed; empty at the end."""
        while True:
            blank = _BLANK.match(self._buffer, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._buffer) or not self._fill():
                return self._buffer[self._at : self._at + 1]

    def expect(self, byte: bytes, problem: str) -> None:
        """Consume a byte; ValueError with the problem if it is another."""
        if self.next_byte() != byte:
            raise ValueError(problem)
        self._at += 1

    def read_object(self) -> bytes:
        """The text from an opening brace to the one that closes it; ValueError if there is none."""
        if self.next_byte() != b"{":
            raise ValueError("the array holds something that is not an event, or ends too early")
        depth, length = 0, 0  # the length of what was looked at so far
        while True:
            token = _TOKEN.search(self._buffer, self._at + length)
            if token is None or token[0] == b'"':
                length = (token.start() if token else len(self._buffer)) - self._at
                if len(self._buffer) - self._at > MAX_EVENT_BYTES:
                    raise ValueError(f"an event has more than {MAX_EVENT_BYTES >> 20} MiB")
                if not self._fill():
                    raise ValueError("the array ends within an event")
                continue
            length = token.end() - self._at
            depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token[0], 0)
            if depth == 0:
                text = self._buffer[self._at : token.end()]
                self._at = token.end()
                return text

    def _fill(self) -> bool:
        chunk = self._stream.read(CHUNK_BYTES)
        self._buffer = self._buffer[self._at :] + chunk
        self._at = 0
        return bool(chunk)
