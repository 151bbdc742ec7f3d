"""A data directory that is destroyed under load, and a bucket that its copies come back from."""

import json
import shutil
import threading

import httpx
import pytest

from tallystick import clock
from tallystick.copies import progress
from tallystick.database.engine import Database
from tallystick.destinations.address_guard import TargetError
from tallystick.settings import Settings
from tests.backup.backup_driver import trail, verifies
from tests.copies.copies_driver import Installation, entries
from tests.copies.copies_driver import trail as stored_trail
from tests.copies.test_restore import events
from tests.fixtures.servers import Server
from tests.fixtures.waiting import wait_until


class Recording:
    """Records without a break until the server is gone; knows when each event was acknowledged (µs since 1970)."""

    def __init__(self, server: Server, key: str) -> None:
        self.answered: dict[str, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._run, args=(server, key))
        self._thread.start()

    def _run(self, server: Server, key: str) -> None:
        with server.client(key) as client:
            while True:
                names = [f"e{len(self.answered) + number}" for number in range(20)]
                sent = [{"action": "project.updated", "external_id": name} for name in names]
                try:
                    answer = client.post("/v1/audit-logs", json={"events": sent})
                except httpx.TransportError:
                    return
                now = clock.now_us()
                for name, one in zip(names, answer.json()["events"], strict=True):
                    self.answered[name] = (now, one["index"])

    def join(self) -> None:
        self._thread.join()


def copied_at(server: Server) -> int:
    """Until when everything is copied; 0 before the first full copy."""
    database = Database(Settings.load(server.environ).database_url, pool_size=1)
    with database.read() as connection:
        state = progress.read_state(connection)
    database.close()
    return state.copied_at if state is not None and state.generation else 0


def test_a_data_directory_that_is_destroyed_under_load_comes_back_from_copies(start_server, tmp_path, monkeypatch):
    copies = tmp_path / "copies"
    server: Server = start_server(TALLYSTICK_COPIES_DIR=str(copies), TALLYSTICK_COPIES_SECONDS="1")
    server.organization("acme")
    key = server.key("acme")
    recording = Recording(server, key)
    began = clock.now_us()
    wait_until(lambda: recording.answered and copied_at(server) >= began + 3_000_000, 120, detail=server.log.read_text)
    reached = copied_at(server)
    server.kill()
    recording.join()
    secret = (server.data_dir / "secret.key").read_bytes()
    shutil.rmtree(server.data_dir)
    server.data_dir.mkdir(mode=0o700)
    (server.data_dir / "secret.key").write_bytes(secret)

    said = json.loads(server.command("restore", "--json").stdout)
    assert said["restarted"].keys() == {"acme"}
    assert said["missing"] == []
    server.start()
    found = trail(server, key)
    copied = {name: index for name, (at, index) in recording.answered.items() if at < reached}
    assert copied
    assert copied.items() <= found.items() <= {name: index for name, (_at, index) in recording.answered.items()}.items()
    assert verifies(server, key, monkeypatch)
    with server.client(key) as client:  # it goes on, and knows what it has
        again = client.post("/v1/audit-logs", json={"action": "project.updated", "external_id": "e0"}).json()
    assert again["events"][0]["duplicate"] is True
    goes_on = clock.now_us()
    wait_until(lambda: copied_at(server) >= goes_on, 120, detail=server.log.read_text)
    server.stop()


def test_a_bucket_that_is_cut_off_holds_up_nothing_and_brings_everything_back(
    sqlite_spine, events_url, tmp_path, s3_server, line
):
    spine = sqlite_spine
    installation = Installation(spine, events_url, tmp_path, s3_server.bucket(via=line.port))
    scope = spine.organization("acme")
    spine.record(scope, *events("a"))
    spine.ship()
    installation.copy()
    line.budget = 0
    spine.record(scope, *events("b", "c"))
    spine.ship()
    with pytest.raises(TargetError, match="cannot be reached"):
        installation.copy()
    line.budget = None
    installation.copy(snapshot=True)
    before = entries(stored_trail(spine.database, spine.store, scope))
    with installation.restored() as there:
        assert entries(there.trail(scope))[: len(before)] == before
