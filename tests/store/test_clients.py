"""The pool of clients: how it connects, and what it does after an error."""

import socket
import threading

import pytest

from tallystick.errors import SettingsError
from tallystick.store.clients import Bounds, Clients
from tallystick.store.errors import StoreError

TLS_HANDSHAKE = 0x16


class Listener:
    """Takes one connection on 127.0.0.1, keeps the first bytes, hangs up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.heard = b""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        connection, _ = self._socket.accept()
        self._socket.close()  # a second try is refused at once
        self.heard = connection.recv(64)
        connection.close()

    def close(self) -> None:
        self._thread.join(10)


@pytest.mark.parametrize(("scheme", "encrypted"), [("clickhouse", False), ("clickhouses", True)])
def test_the_scheme_decides_whether_the_server_is_spoken_to_by_tls(scheme: str, encrypted: bool) -> None:
    listener = Listener()
    clients = Clients(f"{scheme}://user:secret@127.0.0.1:{listener.port}/events", Bounds(clients=1))
    with pytest.raises(StoreError), clients.borrow():
        pass
    listener.close()
    assert (listener.heard[0] == TLS_HANDSHAKE) == encrypted


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(SettingsError, match="TALLYSTICK_EVENTS_URL"), Clients("mysql://x", Bounds()).borrow():
        pass


def test_an_unreachable_server_is_a_store_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(StoreError), Clients(f"clickhouse://127.0.0.1:{port}", Bounds()).borrow():
        pass
