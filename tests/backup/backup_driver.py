"""What the drills share: recording without a break, killing a command at an exact point, and looking at the end."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tallystick.settings import Settings
from tallystick.verify.command import main as verify
from tests.fixtures.servers import Server

KILLING = """
import importlib, os, signal, sys
module, name, number = sys.argv[1].split(":")
place, wanted, calls = importlib.import_module(module), int(number), [0]
*path, last = name.split(".")
for part in path:
    place = getattr(place, part)
real = getattr(place, last)
def instead(*a, **k):
    calls[0] += 1
    if calls[0] == wanted:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*a, **k)
setattr(place, last, instead)
sys.argv = ["tallystick", *sys.argv[2:]]
from tallystick.cli.app import main
main()
"""


class Recording:
    """Records events under running external ids; knows the index of each that was answered."""

    def __init__(self, server: Server, key: str) -> None:
        self.answered: dict[str, int] = {}
        self._server, self._key = server, key
        self._stopping = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Record without a break meanwhile."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def once(self, count: int) -> list[int]:
        """Record so many; their indexes."""
        with self._server.client(self._key) as client:
            return self._send(client, count)

    def _run(self) -> None:
        with self._server.client(self._key) as client:
            while not self._stopping.is_set():
                self._send(client, 20)

    def _send(self, client: httpx.Client, count: int) -> list[int]:
        names = [f"e{len(self.answered) + number}" for number in range(count)]
        events = [{"action": "project.updated", "external_id": name, "metadata": {"mark": name}} for name in names]
        answer = client.post("/v1/audit-logs?wait=searchable", json={"events": events})
        assert answer.status_code == 201, answer.text
        indexes = [one["index"] for one in answer.json()["events"]]
        self.answered |= dict(zip(names, indexes, strict=True))
        return indexes


def trail(server: Server, key: str) -> dict[str, int]:
    """Every event that `Recording` recorded, and its index."""
    found: dict[str, int] = {}
    parameters = {"order": "recorded", "limit": 1000, "count": "none", "action": "project.updated"}
    with server.client(key) as client:
        while True:
            page = client.get("/v1/audit-logs", params=parameters).json()
            found |= {one["external_id"]: one["index"] for one in page["data"] if "external_id" in one}
            if page["next_cursor"] is None:
                return found
            parameters["cursor"] = page["next_cursor"]


def key_line(server: Server, key: str) -> str:
    """The line by which the log's signatures are checked."""
    with server.client(key) as client:
        return client.get("/v1/ledger/key").text.strip()


def verifies(server: Server, key: str, monkeypatch) -> bool:
    """Whether the stand-alone verifier finds the running server's log as it has to be."""
    monkeypatch.setenv("TALLYSTICK_API_KEY", key)
    return verify(["--url", server.url, "--key", key_line(server, key)]) == 0


def settings_of(server: Server) -> Settings:
    return Settings.load(server.environ)


def killed_at(server: Server, place: str, *arguments: str) -> None:
    """Run a command that is killed (SIGKILL) as it calls a function: `module:name:n`, the n-th time."""
    done = subprocess.run(
        [sys.executable, "-c", KILLING, place, *arguments],
        env=server.environ, cwd=server.home, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -9, done.stdout + done.stderr
