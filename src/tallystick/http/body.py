"""Reads and decompresses the body of a request within limits of bytes and of time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from litestar import Request

from tallystick.errors import BadRequest, TallystickError
from tallystick.http.allowance import Allowance, Reservation
from tallystick.http.decompression import decompress, find_decompressor, too_large

MOST_BYTES = 10 << 20
# Compression makes incompressible data a little larger.
PACKING_BYTES = 1 << 16
# A body that takes longer to arrive occupies memory that other requests wait for.
MOST_SECONDS = 120.0
MOST_SILENT_SECONDS = 30.0

Receive = Callable[[], Awaitable[Any]]
Excess = Callable[[], TallystickError]


@asynccontextmanager
async def read_body(
    request: Request[Any, Any, Any], allowance: Allowance, holder: Hashable = None, *, most: int = MOST_BYTES
) -> AsyncIterator[bytes]:
    """The decompressed body, of at most `most` bytes.

    Its bytes count against `allowance`, in the name of `holder`, until the block ends.

    Raises TooLarge (`too_large`) as soon as the limit is exceeded, without reading the rest; TooSlow;
    UnsupportedMedia (`unsupported_encoding`); BadRequest (`bad_encoding`, `disconnected`); Unavailable (`overloaded`).
    """
    packing = find_decompressor(",".join(request.headers.getall("content-encoding", [])))
    most_sent = most if packing is None else most + PACKING_BYTES
    taken = Reservation(allowance, holder)
    try:
        declared = request.headers.get("content-length", "")
        excess = partial(too_large, most)
        packed = await read_bytes(request.receive, declared, most_sent, MOST_SECONDS, taken, excess)
        if packing is None:
            yield packed
            return
        body = await decompress(packed, packing, most, taken)
        taken.give_back(len(packed))
        del packed
        yield body
    finally:
        taken.give_back(taken.amount)


async def read_bytes(
    receive: Receive, declared: str, most: int, seconds: float, taken: Reservation, excess: Excess
) -> bytes:
    """The body as it was sent, of at most `most` bytes; raises what `excess` gives for more, without reading the rest.

    `declared` is the header Content-Length, "" without one.

    Raises TooSlow if it takes longer than `seconds` in all, or pauses for MOST_SILENT_SECONDS; BadRequest
    (`disconnected`); Unavailable.
    """
    if declared.isdigit() and (len(declared) > len(str(most)) or int(declared) > most):
        raise excess()
    try:
        return await _read(receive, most, seconds, taken, excess)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {seconds:.0f} seconds, or paused for too long.") from None


class TooSlow(TallystickError):
    """The body did not arrive in time."""

    status, code, title = 408, "too_slow", "Too slow"


async def _read(receive: Receive, most: int, seconds: float, taken: Reservation, excess: Excess) -> bytes:
    body = bytearray()
    now = asyncio.get_running_loop().time
    end = now() + seconds
    async with asyncio.timeout_at(min(end, now() + MOST_SILENT_SECONDS)) as limit:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The connection closed before the body was complete.", code="disconnected")
            chunk: bytes = message.get("body", b"")
            is_complete = not message.get("more_body", False)
            if len(body) + len(chunk) > most:
                raise excess()
            taken.take(len(chunk))
            if is_complete:
                return bytes(body + chunk) if body else chunk
            # One buffer: a list of chunks of a byte each would occupy forty times what they are counted as.
            body += chunk
            limit.reschedule(min(end, now() + MOST_SILENT_SECONDS))
