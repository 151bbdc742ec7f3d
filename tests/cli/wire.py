"""A connection that can be cut, between a client and the real server."""

import contextlib
import socket
import threading


class Wire:
    """Forwards what comes to its own port, until it is cut.

    Of the first `busy` connections it tells the client itself that the server is busy; of the `deaf`
    connections after those it lets the request through and ends before any answer.
    """

    def __init__(self, port: int, *, busy: int = 0, deaf: int = 0) -> None:
        self._to = port
        self._busy = busy
        self._deaf = deaf
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection there is now."""
        for end in self._open:
            _end(end)
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.connections <= self._busy:
                threading.Thread(target=_say_busy, args=(near,), daemon=True).start()
                continue
            far = socket.create_connection(("127.0.0.1", self._to))
            self._open += [near, far]
            back = _swallow if self.connections <= self._busy + self._deaf else _forward
            threading.Thread(target=_forward, args=(near, far), daemon=True).start()
            threading.Thread(target=back, args=(far, near), daemon=True).start()


def _say_busy(near: socket.socket) -> None:
    with near, near.makefile("rb") as request:
        length = 0
        while line := request.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        request.read(length)
        near.sendall(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")


def _swallow(far: socket.socket, near: socket.socket) -> None:
    with contextlib.suppress(OSError):
        far.recv(1)
    _end(near)


def _forward(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        _end(end)


def _end(end: socket.socket) -> None:
    # Closing alone would let a thread go on that waits for data there.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
