"""A ClickHouse server that takes connections and never answers: one caller waits for it, and recording for nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tallystick.store.clients import Bounds
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.store.silence import Silence
from tests.fixtures.servers import Starter
from tests.fixtures.waiting import wait_until

SECONDS = 10


class SilentServer:
    """Takes every connection on 127.0.0.1 and answers nothing; with `answers`, each with an error of HTTP."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"clickhouse://127.0.0.1:{self._socket.getsockname()[1]}/events"
        self.connections: list[socket.socket] = []
        self.answers = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            if self.answers:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def count(self) -> int:
        """How many connections there were; one more of its own says that all before it were taken."""
        with socket.create_connection(self._socket.getsockname()) as last:
            wait_until(lambda: last.getsockname() in [one.getpeername() for one in self.connections])
            return len(self.connections)

    def close(self) -> None:
        self._socket.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.close()


def test_one_caller_waits_for_the_answer_and_the_next_ones_are_refused_without_a_connection(
    silent: SilentServer,
) -> None:
    store = EventStore(silent.url, Bounds(answer_seconds=1))
    other = store.with_readers(2)
    with pytest.raises(StoreError):
        store.rows("SELECT 1", {})
    tried = silent.count()
    assert tried >= 2
    for ask in (store.ping, other.identities, lambda: other.rows("SELECT 1", {}), store.holdings):
        with pytest.raises(StoreError, match="does not answer"):
            ask()
    assert silent.count() == tried + 1


def test_after_a_pause_one_caller_tries_again_and_an_answer_lets_all_through(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    silence = Silence(30)
    silence.begin()
    with pytest.raises(StoreError):
        silence.check()
    now = 6.0
    silence.check()
    with pytest.raises(StoreError):  # the one that tries is waiting still
        silence.check()
    silence.end()
    for _ in range(3):
        silence.check()


def test_an_error_is_an_answer(silent: SilentServer) -> None:
    silent.answers = True
    store = EventStore(silent.url, Bounds(answer_seconds=5))
    for _ in range(2):
        with pytest.raises(StoreError) as refused:
            store.rows("SELECT 1", {})
        assert "does not answer" not in str(refused.value)


def test_a_server_starts_and_records_while_its_store_is_silent(silent: SilentServer, start_server: Starter) -> None:
    server = start_server(TALLYSTICK_EVENTS_URL=silent.url)
    key = server.key(server.organization("acme"), "events:write", "events:read")
    with server.client(key) as client:
        client.timeout = SECONDS
        with ThreadPoolExecutor(20) as threads:
            searches = [threads.submit(client.get, "/v1/audit-logs", timeout=60) for _ in range(20)]
            for _ in range(3):
                assert client.post("/v1/audit-logs", json={"action": "user.login"}).status_code == 201
        assert {search.result().status_code for search in searches} <= {429, 503}
        assert client.get("/readyz").json()["status"] == "degraded"
    server.stop()
