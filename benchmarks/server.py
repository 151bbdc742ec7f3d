"""A server to be measured, in a process of its own with data of its own."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

COMMAND = str(Path(sys.executable).with_name("tallystick"))


class Measured:
    """`tallystick serve` with one organization and a key that may do everything; more settings by their names."""

    def __init__(self, **settings: str) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="tallystick-bench-")
        self.data_dir = Path(self._home.name) / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"DATA_DIR": str(self.data_dir), "RATE_LIMIT": "0"} | settings
        self._environ = os.environ | {f"TALLYSTICK_{name}": value for name, value in own.items()}
        self.run("org", "create", "bench", "--retention-days", "3650")
        scopes = ("--scope", "events:write", "--scope", "events:read")
        self.key = self.run("key", "create", "--org", "bench", "--name", "bench", *scopes).strip()
        self._log = (Path(self._home.name) / "server.log").open("wb")
        self.client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60)
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._process = subprocess.Popen(
            [COMMAND, "serve", "--port", str(self.port)], env=self._environ, stdout=self._log, stderr=self._log
        )
        self._wait()

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self._process.kill()
        self._process.wait()

    def run(self, *arguments: str) -> str:
        """A command in the server's environment; its output."""
        done = subprocess.run([COMMAND, *arguments], env=self._environ, capture_output=True, text=True, check=True)
        return done.stdout

    def _wait(self) -> None:
        for _ in range(600):
            try:
                if self.client.get("/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise RuntimeError("the server does not start")

    def caught_up(self, index: int) -> None:
        """Return when queries see everything through `index`."""
        while self.client.get("/v1/audit-logs?limit=1&count=none").json()["searchable_through"] < index:
            time.sleep(0.02)

    def last_index(self) -> int:
        """The index of the last event recorded."""
        answer = self.client.post("/v1/audit-logs", json={"action": "bench.mark"})
        answer.raise_for_status()
        index: int = answer.json()["events"][0]["index"]
        return index

    def memory_mb(self) -> float:
        """Resident memory of the server's process now."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")

    def peak_mb(self) -> float:
        """The highest resident memory so far."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmHWM")

    def store_bytes(self) -> int:
        """What the event store takes on disk."""
        total = 0
        for folder, _folders, files in os.walk(self.data_dir / "events"):
            for name in files:
                with contextlib.suppress(FileNotFoundError):  # parts come and go meanwhile
                    total += (Path(folder) / name).stat().st_size
        return total

    def stop(self) -> None:
        """End the server and remove its data."""
        self.client.close()
        self._process.terminate()
        self._process.wait(30)
        self._log.close()
        self._home.cleanup()
