"""HTTP through the guard: connections that it let out and no others, no redirect, no proxy, an end to every wait."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from tallystick.destinations.guard import Guard, TargetError

CONNECT_SECONDS = 5.0
MAX_SECONDS = 15.0  # for all of it, however slowly an answer drips
MAX_ANSWER = 2048
MAX_WAIT = 86_400  # seconds that a server may have us wait

Connect = Callable[[str, int, float], socket]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What a server said: its status, and how many seconds it wants us to wait."""

    status: int
    retry_after: int | None


def connection_pool(connect: Connect, seconds: float, **more: Any) -> PoolManager:
    """A pool whose connections `connect` makes, within so many seconds each."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket:
            return connect(self.host, self.port or 80, seconds)

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket:
            return connect(self.host, self.port or 443, seconds)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    pool = PoolManager(**more)
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}
    return pool


def post(guard: Guard, url: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
    """Send it once. TargetError, TargetNotAllowed: without an answer; the texts name the host alone."""
    host = urlsplit(url).hostname or ""
    ends: list[socket] = []

    late = threading.Event()
    ends_at = time.monotonic() + MAX_SECONDS

    def connect(name: str, port: int, seconds: float) -> socket:
        made = guard.connect(name, port, max(0.1, min(seconds, ends_at - time.monotonic())))
        # TLS takes the socket over: a second handle on the connection can still end it.
        ends.append(socket(fileno=os.dup(made.fileno())))
        if late.is_set():  # it took too long to get there: nobody would cut this one
            cut()
        return made

    def cut() -> None:
        late.set()
        for end in ends:
            with suppress(OSError):
                end.shutdown(SHUT_RDWR)

    pool = connection_pool(
        connect, CONNECT_SECONDS, timeout=Timeout(connect=CONNECT_SECONDS, read=MAX_SECONDS), retries=False
    )
    watch = threading.Timer(MAX_SECONDS, cut)
    watch.start()
    try:
        answer = pool.request(
            "POST", url, headers=dict(headers), body=body, redirect=False, preload_content=False, decode_content=False
        )
        with suppress(HTTPError):
            answer.read(MAX_ANSWER)  # so that it is not cut off in the middle of a word; nothing of it is kept
        said = HttpResponse(answer.status, _seconds(answer.headers.get("Retry-After")))
        answer.close()
    except HTTPError as error:
        if not late.is_set():
            raise TargetError(f"{host} failed: {type(error).__name__}.") from None
    finally:
        watch.cancel()
        pool.clear()
        for end in ends:
            end.close()
    if late.is_set():  # a head that was cut off reads as a whole one
        raise TargetError(f"{host} did not answer within {MAX_SECONDS:.0f} seconds.")
    return said


def _seconds(text: str | None) -> int | None:
    """Retry-After: seconds, or a date."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), MAX_WAIT)
    try:
        return max(0, min(int(parsedate_to_datetime(text).timestamp() - time.time()), MAX_WAIT))
    except (ValueError, OverflowError):
        return None
