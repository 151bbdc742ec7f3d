"""Decompresses a body in steps between which the event loop runs other tasks."""

import asyncio
import sys
import zlib
from collections.abc import Callable
from typing import Protocol

from tallystick.errors import BadRequest, TooLarge, UnsupportedMedia
from tallystick.http.allowance import Reservation

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# This much is read or written before other tasks run on the event loop: about a millisecond's work.
STEP = 256 << 10
# Each member costs a decompressor, whatever its length. Programs that compress in blocks write some 160 for 10 MiB.
MOST_MEMBERS = 1000
# RFC 9659: receivers of zstd over HTTP must support a window of 8 MB and need not support more.
ZSTD_WINDOW_LOG = 23


class Decompressor(Protocol):
    """Decompresses one member of a body, up to a given length at a time."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...
    def pending(self) -> int | None:
        """Bytes of the last input to pass again; None if more output is buffered."""


class _Gzip:
    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes:
        return self._member.decompress(data, max_length)

    def pending(self) -> int | None:
        return len(self._member.unconsumed_tail)


class _Zstd:
    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes:
        return self._frame.decompress(data, max_length)

    def pending(self) -> int | None:
        return 0 if self._frame.needs_input else None


_DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {"gzip": _Gzip, "x-gzip": _Gzip, "zstd": _Zstd}


def find_decompressor(content_encoding: str) -> Callable[[], Decompressor] | None:
    """What decompresses a body of this Content-Encoding; None if it is not compressed.

    Raises UnsupportedMedia (`unsupported_encoding`).
    """
    name = content_encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _DECOMPRESSORS:
        raise UnsupportedMedia(
            "Send the body uncompressed, or compressed once with `Content-Encoding: gzip` or `zstd`.",
            code="unsupported_encoding",
        )
    return _DECOMPRESSORS[name]


async def decompress(packed: bytes, make: Callable[[], Decompressor], most: int, taken: Reservation) -> bytes:
    """All members concatenated, as both formats define; data after the last member is refused.

    Raises TooLarge as soon as there are more than `most` bytes; BadRequest (`bad_encoding`); Unavailable.
    """
    unpacked = bytearray()
    rest, members = memoryview(packed), 0
    if not packed:
        raise _broken("is empty")
    try:
        while rest:
            members += 1
            if members > MOST_MEMBERS:
                raise _broken(f"has more than {MOST_MEMBERS:,} gzip members or zstd frames")
            rest = await _decompress_member(make(), rest, unpacked, most, taken)
    except (zlib.error, zstd.ZstdError, EOFError):
        raise _broken("is damaged or followed by other data") from None
    return bytes(unpacked)


async def _decompress_member(
    member: Decompressor, data: memoryview, unpacked: bytearray, most: int, taken: Reservation
) -> memoryview:
    """Append one member to `unpacked`; returns the data after it.

    The input is passed in slices: what a decompressor leaves over is a copy, which is so never longer than a slice.
    """
    at = 0
    piece: bytes | memoryview = data[:STEP]
    while True:
        async with taken.turn:
            step = member.decompress(piece, min(STEP, most + 1 - len(unpacked)))
            taken.take(len(step))
            unpacked += step
            if len(unpacked) > most:
                raise too_large(most)
            await asyncio.sleep(0)
        at += len(piece)
        if member.eof:
            return data[at - len(member.unused_data) :]
        waiting = member.pending()
        if waiting is None:
            piece = b""
            continue
        at -= waiting
        piece = data[at : at + STEP]
        if not piece and len(step) < STEP:
            raise _broken("ends too early")


def too_large(most: int) -> TooLarge:
    """The error for a body of more than `most` bytes, uncompressed."""
    return TooLarge(f"A request has at most {most >> 20} MiB here, uncompressed. Split it into several requests.")


def _broken(what: str) -> BadRequest:
    return BadRequest(f"The compressed body {what}. Compress it again and send all of it.", code="bad_encoding")
