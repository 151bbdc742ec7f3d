"""The command line as its users run it, and an organization of a running server to run it for."""

import contextlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from tallystick.access import keys, organizations
from tallystick.access.scopes import operator_scope
from tallystick.cli.app import main
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.ledger import log
from tests.fixtures.quiet import without_rules
from tests.fixtures.servers import Server

Run = Callable[..., "Done"]


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    returncode: int
    stdout: str
    stderr: str


def run_here(*arguments: str, environ: Mapping[str, str], input_text: str = "") -> Done:
    """`tallystick ARGUMENTS…` within this process, since starting one each time would take most of the suite's time.

    `environ` holds every setting of Tallystick's that the command sees.
    """
    outside = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    said, complained = io.StringIO(), io.StringIO()
    status = 0
    umask = os.umask(0o077)
    os.umask(umask)
    with (
        mock.patch.dict(os.environ, outside | dict(environ), clear=True),
        mock.patch("sys.argv", ["tallystick", *arguments]),
        mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(input_text.encode()))),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complained),
    ):
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        finally:
            os.umask(umask)  # the command line sets it, for its process
    return Done(status, said.getvalue(), complained.getvalue())


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`operator("org", "list")` runs the command line on a fresh data directory, without a server."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, input_text: str = "", **environ: str) -> Done:
        settings = {"TALLYSTICK_DATA_DIR": str(tmp_path / "data")} | environ
        return run_here(*arguments, environ=settings, input_text=input_text)

    return run


class Member:
    """An organization of a running server, with a key, for client commands."""

    def __init__(self, server: Server, slug: str) -> None:
        self.server = server
        self.slug = slug
        self.url = server.url
        self._database = Database(f"sqlite:///{server.data_dir / 'tallystick.db'}", pool_size=1)
        now = now_us()
        with self._database.write() as connection:
            self.org_id = organizations.create(connection, slug, slug, retention_days=3650, now=now).org_id
            log.create(connection, self.org_id, now=now)
            without_rules(connection, self.org_id, now)
        self.key = self.new_key("events:write", "events:read")

    def new_key(self, *scopes: str) -> str:
        """One more key of the organization."""
        with self._database.write() as connection:
            return keys.create_key(connection, operator_scope(self.org_id), "test", scopes, now=now_us())

    def environ(self) -> dict[str, str]:
        return {"TALLYSTICK_URL": self.url, "TALLYSTICK_API_KEY": self.key}

    def run(self, *arguments: str, input_text: str = "", **environ: str) -> Done:
        """Run a client command, whatever its exit status."""
        return run_here(*arguments, environ=self.environ() | environ, input_text=input_text)

    def record(self, *events: Mapping[str, object]) -> None:
        """Record events, and return when searches find them."""
        with self.server.client(self.key) as client:
            client.post("/v1/audit-logs?wait=searchable", json={"events": events}).raise_for_status()

    def total(self, **filters: str) -> int:
        """How many events a query sees, once everything recorded so far is searchable."""
        self.record({"action": "settled.now"})
        with self.server.client(self.key) as client:
            found = client.get("/v1/audit-logs", params={"count": "exact", "limit": 1} | filters).json()
        return int(found["total"])
