"""Raw connections to a server, for what no client library sends."""

import socket
from urllib.parse import urlsplit

from tests.fixtures.waiting import PATIENCE_SECONDS


def connect(url: str, seconds: float = PATIENCE_SECONDS) -> socket.socket:
    """A connection; a read that takes longer fails."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=seconds)


def head(method: str, path: str, **headers: str) -> bytes:
    """A request's head."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def read_status(connection: socket.socket) -> int:
    """The status of the answer; 0 if the server closed the connection without one."""
    line = b""
    while not line.endswith(b"\r\n"):
        try:
            got = connection.recv(1)
        except ConnectionError:
            return 0
        if not got:
            return 0
        line += got
    return int(line.split()[1])


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)
