"""Unpacks gzip as it comes: one member behind another, cut, damaged, or with something else behind it."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

from tallystick.events.importers.json_values import DamagedFile

MAGIC = b"\x1f\x8b"
_MEMBER = MAGIC + b"\x08"
_FORMAT = 16 + zlib.MAX_WBITS
_PIECE = 256 << 10  # bytes at once: what a small file unpacks to may be huge
_MOST_LAYERS = 3


def unpack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a file, unpacked if it is gzip, also if it was packed twice.

    What can be unpacked is yielded, after which DamagedFile says what could not.
    """
    unpacked = iter(chunks)
    for _ in range(_MOST_LAYERS):
        beginning = b""
        while len(beginning) < len(MAGIC) and (more := next(unpacked, b"")):
            beginning += more
        if not beginning.startswith(MAGIC):
            yield beginning
            break
        unpacked = _members(beginning, unpacked)
    yield from unpacked


def _members(packed: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    problem = ""
    while packed or (packed := next(chunks, b"")):
        start = packed.find(_MEMBER)
        if start < 0:
            more = next(chunks, b"")
            start = max(0, len(packed) - len(_MEMBER) + 1) if more else len(packed)
            packed += more
        # Zeros are padding; anything else between members is damage, or something that was put behind them.
        if packed[:start].strip(b"\0"):
            problem = problem or "something behind the gzip data is not gzip"
        packed = packed[start:]
        if not packed.startswith(_MEMBER):
            continue
        member = zlib.decompressobj(_FORMAT)
        while not member.eof and (packed or (packed := next(chunks, b""))):
            before = member.copy()
            try:
                piece = member.decompress(packed, _PIECE)
            except zlib.error as error:
                yield from _until_damage(before, packed)
                problem, packed = f"broken gzip ({error})", packed[len(_MEMBER) :]
                break
            if piece:
                yield piece
            packed = member.unconsumed_tail
        else:
            packed = member.unused_data
            problem = problem if member.eof else "broken gzip (it ends too early)"
    if problem:
        raise DamagedFile(problem)


def _until_damage(member: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """What can be unpacked before the damage, which lies in these bytes."""
    with suppress(zlib.error):
        for at in range(len(packed)):
            step = packed[at : at + 1]
            while step and (piece := member.decompress(step, _PIECE)):
                yield piece
                step = member.unconsumed_tail
