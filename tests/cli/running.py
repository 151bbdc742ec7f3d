"""The command line as its users run it, and an organization of a running server to run it for."""

import io
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.cli.app import main
from tests.fixtures.servers import Server

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`operator("org", "list")` runs the command line on a fresh data directory, without a server.

    It runs within the test's process, since starting one each time would take most of the suite's time.
    """
    for name in os.environ:
        if name.startswith("TALLYSTICK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALLYSTICK_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str, input_text: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        with monkeypatch.context() as patched:
            patched.setattr("sys.argv", ["tallystick", *arguments])
            patched.setattr("sys.stdin", io.StringIO(input_text))
            for name, value in environ.items():
                patched.setenv(name, value)
            try:
                main()
                status = 0
            except SystemExit as ended:
                status = int(ended.code or 0)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    return run


class Member:
    """An organization of a running server, with a key, for client commands."""

    def __init__(self, server: Server, slug: str) -> None:
        self.server = server
        self.slug = server.organization(slug, "--retention-days", "3650")
        self.key = server.key(slug)

    def run(self, *arguments: str, input_text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a client command, whatever its exit status."""
        return self.server.command(*arguments, input_text=input_text, check=False, TALLYSTICK_API_KEY=self.key)

    def total(self, **filters: str) -> int:
        """How many events a query sees, once everything recorded so far is searchable."""
        with self.server.client(self.key) as client:
            client.post("/v1/audit-logs?wait=searchable", json={"action": "settled.now"}).raise_for_status()
            found = client.get("/v1/audit-logs", params={"count": "exact", "limit": 1} | filters).json()
        return int(found["total"])


def wait_for(happened: Callable[[], bool], seconds: float = 20) -> None:
    """Return as soon as it happened; an assertion that names the time otherwise."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.05)
