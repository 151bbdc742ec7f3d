"""A small HTTP client that costs little: the server is to be measured, not this."""

import asyncio
import time
from collections.abc import Iterator, Sequence

_LENGTH = b"content-length:"


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    """A whole HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lower = head.lower()
    at = lower.index(_LENGTH) + len(_LENGTH)
    length = int(lower[at : lower.index(b"\r\n", at)])
    return status, await reader.readexactly(length)


async def _send(port: int, waiting: list[bytes], taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while waiting:
        message = waiting.pop()
        while True:
            began = time.perf_counter()
            writer.write(message)
            status, body = await _answer(reader)
            if status == 503:
                await asyncio.sleep(0.05)  # the server says that it is full: the client waits, as it is told to
                continue
            if status >= 300:
                raise RuntimeError(f"{status}: {body[:500]!r}")
            taken.append(time.perf_counter() - began)
            break
    writer.close()


def send_all(port: int, messages: Sequence[bytes], connections: int) -> list[float]:
    """Send every message over some connections; the seconds that each took."""

    async def run() -> list[float]:
        waiting, taken = list(reversed(messages)), []  # type: ignore[var-annotated]
        await asyncio.gather(*(_send(port, waiting, taken) for _ in range(connections)))
        return taken

    return asyncio.run(run())


async def _pace(port: int, due: Iterator[tuple[int, float, bytes]], taken: dict[int, tuple[float, bytes]]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number, at, message in due:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        writer.write(message)
        status, body = await _answer(reader)
        if status >= 300:
            raise RuntimeError(f"{status}: {body[:500]!r}")
        taken[number] = (time.perf_counter(), body)
    writer.close()


def send_paced(port: int, messages: Sequence[bytes], interval: float, connections: int) -> list[tuple[float, bytes]]:
    """Send a message every `interval` seconds over whichever connection is free; when each was answered, and how."""

    async def run() -> list[tuple[float, bytes]]:
        began, taken = time.perf_counter(), {}  # type: ignore[var-annotated]
        due = iter([(number, began + number * interval, message) for number, message in enumerate(messages)])
        await asyncio.gather(*(_pace(port, due, taken) for _ in range(connections)))
        return [taken[number] for number in range(len(messages))]

    return asyncio.run(run())
