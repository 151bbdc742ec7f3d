"""The connections of clients to the server, within limits of time, size and number."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tallystick.access.client_address import client_network, read_address, within
from tallystick.setting_values import Network

MOST_HEADERS = 128
# More than the 32 KiB that a query string can have, with an answer that says so.
MOST_HEAD_BYTES = 64 << 10
# The framework caches the paths of a thousand requests.
MOST_PATH_BYTES = 4 << 10
MOST_PIPELINED = 16
# What a client can still send of a body after the answer, so that it reads the answer instead of a reset.
MOST_UNREAD_BYTES = 16 << 20
# Between two bytes of a body: the lengths of chunks, their extensions, and the trailers after the last. A chunk needs
# some twenty; trailers are kept until the body is complete, and a long one is copied for each piece of it.
MOST_FRAMING_BYTES = 64 << 10
# Of all answers that clients have not taken yet; what is sent in small parts is not counted.
MOST_UNSENT_BYTES = 256 << 20
COUNTED_UNSENT_BYTES = 64 << 10
# A client that takes an answer makes room for this much within `stalled_seconds`.
LEAST_PROGRESS_BYTES = 60 << 10
LOG_EVERY_SECONDS = 60.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of a server's connections; times in seconds.

    `most_of_address` does not apply to trusted proxies, behind which are many clients.
    """

    most: int
    most_of_address: int
    trusted_proxies: tuple[Network, ...] = ()
    first_byte_seconds: float = 20.0
    head_seconds: float = 20.0
    idle_seconds: float = 65.0  # after an answer; longer than the 60 seconds for which most proxies keep a connection
    unread_seconds: float = 5.0  # for the rest of a body that was not read
    stalled_seconds: float = 60.0
    most_unsent_bytes: int = MOST_UNSENT_BYTES


class OpenConnections:
    """The open connections of one server. `sweep` ends those that exceed a limit of time; call it every second."""

    def __init__(
        self,
        limits: ConnectionLimits,
        note_unknown_proxy: Callable[[str], None] = lambda _peer: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`note_unknown_proxy` is called with the address of a peer that sends X-Forwarded-For and is not trusted."""
        self.limits = limits
        self.note_unknown_proxy = note_unknown_proxy
        self.now = now
        self._open: set[BoundedConnection] = set()
        self._of_network: Counter[str] = Counter()
        # Those without a request, in the order in which they began to wait.
        self._waiting: dict[BoundedConnection, None] = {}
        self._logged_at = -LOG_EVERY_SECONDS

    def admit(self, connection: "BoundedConnection") -> bool:
        """Count a new connection; False if its address has too many, or all that there can be are in use.

        Before that, the connection that has waited longest for its client is closed.
        """
        self._open.add(connection)
        self._of_network[connection.network] += 1
        if connection.network and self._of_network[connection.network] > self.limits.most_of_address:
            self._log_refusal(connection, "address")
            return False
        if len(self._open) > self.limits.most:
            oldest = next(iter(self._waiting), None)
            self._log_refusal(connection, "total")
            if oldest is None:
                return False
            self._waiting.pop(oldest)
            oldest.transport.abort()
        self.begin_waiting(connection)
        return True

    def forget(self, connection: "BoundedConnection") -> None:
        """Remove a connection that has closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._of_network[connection.network] -= 1
        if not self._of_network[connection.network]:
            del self._of_network[connection.network]

    def begin_waiting(self, connection: "BoundedConnection") -> None:
        """Note that a connection has no request."""
        self._waiting[connection] = None

    def end_waiting(self, connection: "BoundedConnection") -> None:
        """Note that a request has begun."""
        self._waiting.pop(connection, None)

    def sweep(self) -> None:
        """End the connections whose clients take too long."""
        now = self.now()
        for connection in list(self._open):
            connection.check(now)
        self.make_room()

    def make_room(self) -> None:
        """Cut clients off while answers that were not taken occupy more memory than they may.

        Of the address whose connections hold most, the one that has taken nothing for the longest time.
        """
        unsent: dict[str, dict[BoundedConnection, int]] = {}
        for connection in self._open:
            if (size := connection.unsent_bytes()) >= COUNTED_UNSENT_BYTES:
                unsent.setdefault(connection.network, {})[connection] = size
        held = {network: sum(sizes.values()) for network, sizes in unsent.items()}
        while sum(held.values()) > self.limits.most_unsent_bytes:
            largest = max(held, key=held.__getitem__)
            slowest = min(unsent[largest], key=lambda one: one.unsent_since)
            self._log_refusal(slowest, "unsent bytes")
            held[largest] -= unsent[largest].pop(slowest)
            slowest.transport.abort()

    def _log_refusal(self, connection: "BoundedConnection", limit: str) -> None:
        if self.now() - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = self.now()
            logger.warning("too_many_connections", limit=limit, address=connection.network, open=len(self._open))


class BoundedConnection(HttpToolsProtocol):
    """One connection. uvicorn parses and answers its requests; this class ends it when a limit is exceeded."""

    def __init__(self, connections: OpenConnections, **options: Any) -> None:
        super().__init__(**options)
        self._connections = connections
        self._limits = connections.limits
        self.network = ""  # of the client; "" if it is exempt from the limit of its address
        self._active = 0  # requests whose answer is not complete
        self._since = connections.now()  # when the present state began
        self._is_first = True
        self._in_head = True
        self._head_bytes = 0
        self._unread_bytes = 0
        self._framing_bytes = 0
        self._refusal: HTTPStatus | None = None
        self._unsent = (0, connections.now())  # bytes of the answer that the client did not take, and since when

    @property
    def unsent_since(self) -> float:
        """Since when the client has taken less than LEAST_PROGRESS_BYTES of the answer, in seconds of `now`."""
        return self._unsent[1]

    def unsent_bytes(self) -> int:
        """The size of what the client has not taken of its answers; 0 for a connection that is being closed."""
        return 0 if self.transport.is_closing() else self.transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = read_address(self.client[0]) if self.client else None
        if address is not None and not within(address, self._limits.trusted_proxies):
            self.network = client_network(str(address))
        if not self._connections.admit(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if not self._head_bytes:
                self._since = self._connections.now()
            self._head_bytes += len(data)
        elif not self._active:
            self._unread_bytes += len(data)
            if self._unread_bytes > MOST_UNREAD_BYTES:
                self.transport.abort()
                return
        else:
            self._framing_bytes += len(data)
        super().data_received(data)
        if self._framing_bytes > MOST_FRAMING_BYTES and not self._in_head:
            self.transport.abort()
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        self._check_head()
        self._in_head = self._is_first = False
        self._head_bytes = self._unread_bytes = self._framing_bytes = 0
        self._connections.end_waiting(self)
        super().on_headers_complete()
        self._active += 1

    def on_body(self, body: bytes) -> None:
        self._framing_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0
        self._note_waiting()

    def on_response_complete(self) -> None:
        self._active -= 1
        if self.unsent_bytes() >= COUNTED_UNSENT_BYTES:
            self._connections.make_room()
        super().on_response_complete()
        self._note_waiting()

    def send_400_response(self, msg: str) -> None:
        """Overrides uvicorn's answer to a head that cannot be parsed, to name the limit that it exceeds."""
        if self._refusal:
            self._refuse(self._refusal)
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def check(self, now: float) -> None:
        """End the connection if its client has taken too long for what it is about to do."""
        if self._is_stalled(now):
            self.transport.abort()
        elif not self._active and not self.transport.is_closing():
            self._check_waiting(now - self._since)

    def _check_waiting(self, seconds: float) -> None:
        limits = self._limits
        if not self._in_head:
            if seconds > limits.unread_seconds:
                self.transport.close()
        elif self._head_bytes:
            if seconds > limits.head_seconds:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif seconds > (limits.first_byte_seconds if self._is_first and self.network else limits.idle_seconds):
            self.transport.close()

    def _is_stalled(self, now: float) -> bool:
        """Whether the client has not taken enough of an answer since the time that `_unsent` holds."""
        left = self.transport.get_write_buffer_size()
        before, since = self._unsent
        if not left or left > before or before - left >= LEAST_PROGRESS_BYTES:
            self._unsent = (left, now)
            return False
        return now - since > self._limits.stalled_seconds

    def _note_waiting(self) -> None:
        """After an answer or a request ended: note what the connection waits for now."""
        if self._active or self.transport.is_closing():
            return
        self._since = self._connections.now()
        if self._in_head:
            self._connections.begin_waiting(self)

    def _check_head(self) -> None:
        """Raise, which ends the connection, if the head that was parsed exceeds a limit."""
        if len(self.url.partition(b"?")[0]) > MOST_PATH_BYTES:
            self._refusal = HTTPStatus.REQUEST_URI_TOO_LONG
        size, is_forwarded = len(self.url), False
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            is_forwarded |= name == b"x-forwarded-for"
        if size > MOST_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if len(self.pipeline) >= MOST_PIPELINED:
            self._refusal = HTTPStatus.TOO_MANY_REQUESTS
        if self._refusal:
            raise ValueError(self._refusal.phrase)
        if is_forwarded and self.network and self.client:
            self._connections.note_unknown_proxy(self.client[0])

    def _refuse(self, status: HTTPStatus, text: str = "") -> None:
        """Close the connection, with an answer if none is being sent."""
        if not self._active:
            content = f"{text or status.phrase}\n".encode()
            headers = [*self.server_state.default_headers, (b"content-type", b"text/plain"), (b"connection", b"close")]
            headers.append((b"content-length", str(len(content)).encode()))
            if status is HTTPStatus.SERVICE_UNAVAILABLE:
                headers.append((b"retry-after", b"5"))
            lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), *(b": ".join(pair) for pair in headers)]
            self.transport.write(b"\r\n".join([*lines, b"", content]))
        self.transport.close()
