"""HTTP through the guard: only to allowed addresses, without redirects or proxies, and with a limit on every wait."""

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

from tallystick.destinations.address_guard import Guard, TargetError

CONNECT_SECONDS = 5.0
MAX_SECONDS = 15.0  # for a whole request, however slowly the answer arrives
MAX_ANSWER = 2048  # bytes
MAX_RETRY_AFTER = 86_400  # seconds

Connect = Callable[[str, int, float], socket]
"""Connects to a host and port within so many seconds."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The status of an answer, and the seconds of its Retry-After header, if it has one."""

    status: int
    retry_after: int | None


def connection_pool(connect: Connect, seconds: float, **options: Any) -> PoolManager:
    """A pool that opens its connections with `connect`, within `seconds` each; `options` are those of PoolManager."""

    class PlainConnection(HTTPConnection):
        def _new_conn(self) -> socket:
            return connect(self.host, self.port or 80, seconds)

    class TlsConnection(HTTPSConnection):
        def _new_conn(self) -> socket:
            return connect(self.host, self.port or 443, seconds)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = TlsConnection

    pool = PoolManager(**options)
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
    return pool


def post(guard: Guard, url: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
    """Posts the body once. Raises TargetError or TargetNotAllowed without an answer; their texts name only the host."""
    host = urlsplit(url).hostname or ""
    handles: list[socket] = []
    late = threading.Event()
    ends_at = time.monotonic() + MAX_SECONDS

    def connect(name: str, port: int, seconds: float) -> socket:
        connection = guard.connect(name, port, max(0.1, min(seconds, ends_at - time.monotonic())))
        # TLS takes the socket over: a second handle on the connection can still end it.
        handles.append(socket(fileno=os.dup(connection.fileno())))
        if late.is_set():  # connected only after the timer ran, which could not end this connection
            shut_down()
        return connection

    def shut_down() -> None:
        late.set()
        for handle in handles:
            with suppress(OSError):
                handle.shutdown(SHUT_RDWR)

    pool = connection_pool(
        connect, CONNECT_SECONDS, timeout=Timeout(connect=CONNECT_SECONDS, read=MAX_SECONDS), retries=False
    )
    # A read timeout restarts with each byte, so a timer limits the whole request.
    timer = threading.Timer(MAX_SECONDS, shut_down)
    timer.start()
    try:
        answer = pool.request(
            "POST", url, headers=dict(headers), body=body, redirect=False, preload_content=False, decode_content=False
        )
        with suppress(HTTPError):
            answer.read(MAX_ANSWER)  # nothing of it is kept: a server should not see a broken connection
        response = HttpResponse(answer.status, _parse_retry_after(answer.headers.get("Retry-After")))
        answer.close()
    except HTTPError as error:
        if not late.is_set():
            raise TargetError(f"{host} failed: {type(error).__name__}.") from None
    finally:
        timer.cancel()
        pool.clear()
        for handle in handles:
            handle.close()
    if late.is_set():  # a truncated header looks like a complete one
        raise TargetError(f"{host} did not answer within {MAX_SECONDS:.0f} seconds.")
    return response


def _parse_retry_after(text: str | None) -> int | None:
    """The seconds of a Retry-After header, which holds seconds or a date; None for anything else."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), MAX_RETRY_AFTER)
    try:
        return max(0, min(int(parsedate_to_datetime(text).timestamp() - time.time()), MAX_RETRY_AFTER))
    except (ValueError, OverflowError):
        return None
