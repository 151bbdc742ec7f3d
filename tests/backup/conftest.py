"""Servers for the drills: one that recorded and was copied, and empty places to restore into."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.backup.backup_driver import Recording
from tests.fixtures.servers import Server


@dataclass
class Original:
    """A server that recorded, now stopped, and its copies.

    `running` was made while it recorded (`before` was answered before that), `stopped` afterwards.
    """

    server: Server
    key: str
    running: Path
    stopped: Path
    before: dict[str, int]
    answered: dict[str, int]
    said: dict[str, Any]


@pytest.fixture(scope="module")
def original(start_server):
    server: Server = start_server()
    server.organization("acme")
    key = server.key("acme")
    recording = Recording(server, key)
    recording.once(400)
    running, stopped = server.home / "copies" / "running", server.home / "copies" / "stopped"
    before = dict(recording.answered)
    with recording.running():
        said = json.loads(server.command("backup", "create", str(running), "--json").stdout)
    server.stop()
    server.command("backup", "create", str(stopped))
    return Original(server, key, running, stopped, before, dict(recording.answered), said)


@pytest.fixture
def place(tmp_path: Path):
    """`place(name)` is a server that was not started, in an empty directory with the secret of `like`."""

    def make(like: Server | None = None, **settings: str) -> Server:
        made = Server(tmp_path, {f"TALLYSTICK_{key}": value for key, value in settings.items()})
        if like is not None:
            made.data_dir.mkdir()
            shutil.copy(like.data_dir / "secret.key", made.data_dir)
        return made

    return make
