"""Reads and decompresses the body of a request within limits."""

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from litestar import Request

from tallystick.api.dependencies import Allowance
from tallystick.errors import BadRequest, TallystickError, TooLarge, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MOST_BYTES = 10 << 20
# Compression makes incompressible data a little larger.
MOST_PACKED_BYTES = MOST_BYTES + (1 << 16)
# This much is decompressed before other tasks run on the event loop: about a millisecond's work.
STEP = 256 << 10
# Compressed input goes to the decompressor in slices of this many bytes.
SLICE = 64 << 10
# gzip members or zstd frames of one body: each costs a new decompressor and a turn of the event loop.
MOST_MEMBERS = 1000
# A body that takes longer to arrive occupies memory that other requests wait for.
MOST_SECONDS = 120.0
# RFC 9659: receivers of zstd over HTTP must support a window of 8 MB and need not support more.
ZSTD_WINDOW_LOG = 23

Receive = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def read_body(request: Request[Any, Any, Any], allowance: Allowance) -> AsyncIterator[bytes]:
    """The decompressed body; its bytes count against `allowance` until the block ends.

    Raises TooLarge (`too_large`) as soon as the limit is exceeded, without reading the rest; TooSlow;
    UnsupportedMedia (`unsupported_encoding`); BadRequest (`bad_encoding`, `disconnected`); Unavailable (`overloaded`).
    """
    packing = _decompressor(",".join(request.headers.getall("content-encoding", [])))
    most = MOST_BYTES if packing is None else MOST_PACKED_BYTES
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large()
    taken = _Reservation(allowance)
    try:
        packed = await _read_in_time(request.receive, most, taken)
        if packing is None:
            yield packed
            return
        body = await _unpacked(packed, packing, taken)
        taken.give_back(len(packed))
        del packed
        yield body
    finally:
        taken.give_back(taken.amount)


class TooSlow(TallystickError):
    """The body did not arrive in time."""

    status, code, title = 408, "too_slow", "Too slow"


class _Reservation:
    """The part of an allowance that one request uses, so that all of it is given back."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self.amount = 0

    def take(self, amount: int) -> None:
        self._allowance.take(amount)
        self.amount += amount

    def give_back(self, amount: int) -> None:
        self._allowance.give_back(amount)
        self.amount -= amount


class _Decompressor(Protocol):
    """Decompresses one member of a body, up to a given length at a time."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...
    def pending(self) -> bytes | None:
        """The input to pass again; None if more output is buffered, b"" if more input is needed."""


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

    def pending(self) -> bytes | None:
        return self._member.unconsumed_tail


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

    def pending(self) -> bytes | None:
        return b"" if self._frame.needs_input else None


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {"gzip": _Gzip, "x-gzip": _Gzip, "zstd": _Zstd}


def _decompressor(named: str) -> Callable[[], _Decompressor] | None:
    name = named.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _DECOMPRESSORS:
        raise UnsupportedMedia(
            "Send the body uncompressed, or compressed once with `Content-Encoding: gzip` or `zstd`.",
            code="unsupported_encoding",
        )
    return _DECOMPRESSORS[name]


async def _read_in_time(receive: Receive, most: int, taken: _Reservation) -> bytes:
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await _read(receive, most, taken)
    except TimeoutError:
        raise TooSlow(
            f"The body took longer than {MOST_SECONDS:.0f} seconds. Send fewer events in each request."
        ) from None


async def _read(receive: Receive, most: int, taken: _Reservation) -> bytes:
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("The connection closed before the body was complete.", code="disconnected")
        chunk: bytes = message.get("body", b"")
        if chunk:
            length += len(chunk)
            if length > most:
                raise _too_large()
            taken.take(len(chunk))
            chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _unpacked(packed: bytes, packing: Callable[[], _Decompressor], taken: _Reservation) -> bytes:
    """All members concatenated, as both formats define; data after the last member is refused."""
    if not packed:
        raise _broken("is empty")
    unpacked = bytearray()
    rest = memoryview(packed)
    members = 0
    try:
        while rest:
            members += 1
            if members > MOST_MEMBERS:
                raise _broken(f"has more than {MOST_MEMBERS:,} members")
            rest = await _unpack_member(packing(), rest, unpacked, taken)
            await asyncio.sleep(0)
        return bytes(unpacked)
    except (zlib.error, zstd.ZstdError, EOFError):
        raise _broken("is damaged or followed by other data") from None


async def _unpack_member(
    stage: _Decompressor, data: memoryview, unpacked: bytearray, taken: _Reservation
) -> memoryview:
    """Append one member to `unpacked`; returns the data after it.

    The input goes in slices, because a decompressor copies all input that it has not used: with the whole rest
    of the body as input, many short members would cost the square of their number.
    """
    position = 0
    waiting: bytes | None = b""
    while True:
        piece: bytes | memoryview = waiting or b""
        if waiting == b"":
            piece = data[position : position + SLICE]
            position += len(piece)
        step = stage.decompress(piece, min(STEP, MOST_BYTES + 1 - len(unpacked)))
        taken.take(len(step))
        unpacked += step
        if len(unpacked) > MOST_BYTES:
            raise _too_large()
        if stage.eof:
            return data[position - len(stage.unused_data) :]
        waiting = stage.pending()
        if waiting == b"" and position == len(data) and len(step) < STEP:
            raise _broken("ends too early")
        await asyncio.sleep(0)


def _too_large() -> TooLarge:
    return TooLarge(f"A request has at most {MOST_BYTES >> 20} MiB, uncompressed. Send fewer events in each request.")


def _broken(what: str) -> BadRequest:
    return BadRequest(f"The compressed body {what}. Compress it again and send all of it.", code="bad_encoding")
