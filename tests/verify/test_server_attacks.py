"""A real server whose data somebody exchanged while it stood still: it, or who holds a checkpoint, says so."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from tallystick.database.engine import Database
from tallystick.ledger.high_water import FILE
from tallystick.ledger.tables import checkpoints, logs, signing_keys, tiles
from tallystick.merkle.tree import EMPTY, extend, leaf_hashes
from tallystick.verify.command import verify
from tests.fixtures.servers import Server, Starter


class Held:
    """What somebody outside keeps of a server's log: its key, a checkpoint, an API key to ask with."""

    def __init__(self, server: Server, directory: Path) -> None:
        self.server = server
        server.organization("acme")
        self.api_key = server.key("acme")
        self.record(5)
        with server.client(self.api_key) as client:
            self.vkey = client.get("/v1/ledger/key").text.strip()
            self.checkpoint = directory / "checkpoint"
            self.checkpoint.write_text(client.get("/v1/ledger/checkpoint").text)
        server.stop()
        self._kept = directory / "data"
        shutil.copytree(server.data_dir, self._kept, symlinks=True)

    def begin_again(self) -> None:
        """Let the server stand still with the data that it had at first."""
        self.server.stop()
        shutil.rmtree(self.server.data_dir)
        shutil.copytree(self._kept, self.server.data_dir, symlinks=True)

    def record(self, count: int) -> int:
        """Record events and have a checkpoint signed above them; the status of the first answer."""
        with self.server.client(self.api_key) as client:
            body = {"events": [{"action": "thing.done"}] * count}
            answer = client.post("/v1/audit-logs?wait=searchable", json=body)
            if answer.status_code == 201:
                last = answer.json()["events"][-1]["id"]
                assert client.get(f"/v1/audit-logs/{last}/proof").status_code == 200
            return answer.status_code

    def problems(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What `tallystick verify --url` finds wrong."""
        monkeypatch.setenv("TALLYSTICK_API_KEY", self.api_key)
        report = verify([], [self.vkey], checkpoint=str(self.checkpoint), url=self.server.url)[0]
        return report.problems

    def frozen(self) -> str:
        """Why the log is frozen; empty if it is not."""
        database = Database(f"sqlite:///{self.server.data_dir / 'tallystick.db'}")
        with database.read() as connection:
            reason = connection.execute(select(logs.c.frozen_reason)).scalar_one()
        database.close()
        return reason or ""


@pytest.fixture(scope="module")
def made(start_server: Starter, tmp_path_factory: pytest.TempPathFactory) -> Held:
    return Held(start_server(), tmp_path_factory.mktemp("held"))


@pytest.fixture
def held(made: Held) -> Held:
    """A server that recorded and stands still."""
    made.begin_again()
    return made


def while_stopped(held: Held, act: Callable[[], None]) -> None:
    held.server.stop()
    act()
    held.server.start()


def in_database(held: Held, act: Callable[..., None]) -> Callable[[], None]:
    def run() -> None:
        database = Database(f"sqlite:///{held.server.data_dir / 'tallystick.db'}")
        with database.write() as connection:
            act(connection)
        database.close()

    return run


def test_an_honest_server_holds_and_its_log_begins_as_it_was(held, monkeypatch):
    held.server.start()
    held.record(10)
    while_stopped(held, lambda: None)
    assert held.problems(monkeypatch) == []
    assert held.frozen() == ""


def test_attack_a_replayed_old_backup(held, monkeypatch):
    data, backup = held.server.data_dir, held.server.home / "backup"
    while_stopped(held, lambda: shutil.copytree(data, backup, symlinks=True))
    held.record(20)

    def restore() -> None:
        marks = (data / FILE).read_bytes()
        shutil.rmtree(data)
        shutil.copytree(backup, data, symlinks=True)
        (data / FILE).write_bytes(marks)

    while_stopped(held, restore)
    assert "Restore the newest backup" in held.frozen()
    assert held.record(1) == 503
    with held.server.client(held.api_key) as client:
        assert client.get("/v1/audit-logs").status_code == 200, "reading goes on"


def forge(connection) -> None:
    """Another history of the same length, right in itself, without a trace of the old checkpoints."""
    size = connection.execute(select(logs.c.size)).scalar_one()
    entries = [bytes([number]) * 32 for number in range(size)]
    edge = extend(EMPTY, leaf_hashes(entries)).edge
    connection.execute(update(logs).values(root=edge.root(), edge=edge.pack()))
    connection.execute(update(tiles).where(tiles.c.level == 0).values(hashes=b"".join(entries)))
    connection.execute(delete(checkpoints))


def test_attack_the_tree_rewritten_with_a_new_root(held, monkeypatch):
    while_stopped(held, in_database(held, forge))
    assert "a different root than the one signed here" in held.frozen()
    assert held.record(1) == 503


def test_attack_the_tree_and_the_marks_rewritten_is_found_by_who_holds_a_checkpoint(held, monkeypatch):
    def act() -> None:
        in_database(held, forge)()
        (held.server.data_dir / FILE).unlink()

    while_stopped(held, act)
    assert held.frozen() == "", "nothing here can tell"
    assert held.problems(monkeypatch) != []


def test_attack_the_signing_key_exchanged(held, monkeypatch):
    while_stopped(held, in_database(held, lambda connection: connection.execute(delete(signing_keys))))
    held.record(3)
    assert held.problems(monkeypatch) == ["none of the given keys signed this"]
