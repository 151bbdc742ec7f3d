"""Servers that accept connections and then hang, each in its own way."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class HangingServer:
    """Answers each line that a client sends with the next of `answers`, and after the last one nothing more.

    With `drip` it sends such a byte again and again instead, one each second. `accepted` are the connections.
    """

    def __init__(self, answers: Sequence[bytes], drip: bytes) -> None:
        self._answers = answers
        self._drip = drip
        self._ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listening.getsockname()[1]
        self.accepted: list[socket.socket] = []
        self.received: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listening.accept()[0]
            except OSError:
                return
            self.accepted.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            lines = connection.makefile("rb")
            for place, answer in enumerate(self._answers):
                if place:
                    self.received.append(lines.readline())
                connection.sendall(answer)
            while self._drip and not self._ended.wait(1):
                connection.sendall(self._drip)
        except OSError:
            return

    def close(self) -> None:
        self._ended.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self.accepted:
            connection.close()


@contextmanager
def open_hanging(*answers: bytes, drip: bytes = b"") -> Iterator[HangingServer]:
    """A server on this machine; all of its connections end with it."""
    opened = HangingServer(answers, drip)
    try:
        yield opened
    finally:
        opened.close()
