"""A ClickHouse server that stands still (SIGSTOP): recording and the start go on beside it, and nothing is lost."""

import threading
import time
from pathlib import Path

import pytest

from tests.fixtures.clickhouse_server import ClickHouseServer
from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import FULL, size

SENDERS = 4
SECONDS = size(2, 60)  # quiet, and stopped
PAUSE_SECONDS = 0.02  # between two requests of a sender
ENOUGH_SECONDS = 120


class Senders:
    """Record single events, each with a mark, until the block ends; remember how long each answer took.

    With `repeats`, an event that is answered with 503 is sent again.
    """

    def __init__(self, server: Server, key: str, name: str, *, repeats: bool = False) -> None:
        self._repeats = repeats
        self.seconds: list[float] = []
        self.marks: list[str] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(server, key, f"{name}-{number}")) for number in range(SENDERS)
        ]

    def _send(self, server: Server, key: str, name: str) -> None:
        number = 0
        with server.client(key) as client:
            while not self._end.is_set():
                mark = f"{name}-{number}"
                began = time.perf_counter()
                answer = client.post("/v1/audit-logs", json={"action": "user.login", "external_id": mark})
                took = time.perf_counter() - began
                if self._repeats and answer.status_code == 503:
                    time.sleep(PAUSE_SECONDS)
                    continue
                assert answer.status_code == 201, answer.text
                with self._lock:
                    self.seconds.append(took)
                    self.marks.append(mark)
                number += 1
                time.sleep(PAUSE_SECONDS)

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def p95(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)]


def external_ids(server: Server, key: str) -> list[str]:
    """Those of all searchable events."""
    found: list[str] = []
    parameters: dict[str, str | int] = {"limit": 1000, "count": "none", "order": "recorded"}
    with server.client(key) as client:
        while True:
            page = client.get("/v1/audit-logs", params=parameters).raise_for_status().json()
            found += [one["external_id"] for one in page["data"] if "external_id" in one]
            if page["next_cursor"] is None:
                return found
            parameters["cursor"] = page["next_cursor"]


def wait_until_searchable(server: Server, key: str, marks: list[str]) -> None:
    """Return when every one of the marks is found, once."""
    last = time.monotonic() + ENOUGH_SECONDS
    found: list[str] = []
    while time.monotonic() < last:
        with server.client(key) as client:
            is_up = client.get("/v1/audit-logs", params={"limit": 1}).status_code == 200
        if is_up and sorted(found := external_ids(server, key)) == sorted(marks):
            return
        time.sleep(0.5)
    raise AssertionError(f"{len(set(marks) - set(found))} of {len(marks)} events are not found")


@pytest.mark.full_size
def test_recording_goes_on_beside_a_store_that_stands_still_and_all_is_found_afterwards(
    start_server: Starter, tmp_path: Path
) -> None:
    store = ClickHouseServer(tmp_path / "store")
    try:
        with store.standing_still():
            server = start_server(TALLYSTICK_EVENTS_URL=f"{store.url}?send_receive_timeout=2&connect_timeout=2")
            server.organization("acme")
            key = server.key("acme")
            with Senders(server, key, "start") as starting:
                time.sleep(1)
        wait_until_searchable(server, key, starting.marks)
        with Senders(server, key, "quiet") as quiet:
            time.sleep(SECONDS)
        with store.standing_still(), Senders(server, key, "stopped") as stopped:
            refused = ask_until_refused(server, key)
            time.sleep(SECONDS)
        wait_until_searchable(server, key, starting.marks + quiet.marks + stopped.marks)
        server.stop()
    finally:
        store.kill()
    assert refused["code"] == "store_down"
    ratio = stopped.p95() / quiet.p95()
    print(
        f"p95 of recording: {quiet.p95() * 1000:.1f} ms quiet ({len(quiet.seconds)} requests), "
        f"{stopped.p95() * 1000:.1f} ms with the store stopped ({len(stopped.seconds)}), ratio {ratio:.2f}"
    )
    if FULL:
        assert ratio <= 2


def ask_until_refused(server: Server, key: str) -> dict[str, str]:
    """The body of the answer to a search while the store stands still: a search that began before may end well."""
    with server.client(key) as client:
        for _ in range(20):
            answer = client.get("/v1/audit-logs", params={"q": "login"})
            if answer.status_code == 503:
                refusal: dict[str, str] = answer.json()
                return refusal
    raise AssertionError("every search was answered")
