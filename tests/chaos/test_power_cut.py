"""A power cut at random moments under load: what was acknowledged is on the disk, or comes back by itself.

One run under load, with a purge and a backup, is followed to each of the moments (tests/fixtures/power_cut.py).
"""

import itertools
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete

from tallystick.access import organizations
from tallystick.backup.manifest import check_files, read_manifest
from tallystick.database.engine import Database
from tallystick.ledger import check
from tallystick.ledger import log as ledger_log
from tallystick.retention.tables import purges
from tests.chaos.test_kill import rows_by_another_process
from tests.fixtures.power_cut import ALL_NAMES, ORDERED_NAMES, SYNCED_NAMES, FileChanges
from tests.fixtures.recording_load import follow_doctor, read_trail
from tests.fixtures.servers import Server
from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until

CUTS = size(2, 21)
SECONDS = size(5, 60)  # of load; merged parts replace their sources, which go after half a minute
SENDERS, LARGEST_BATCH = 2, 40
OLD_EVENTS = 60
MINUTE = 60


@dataclass
class Load:
    """A server under load that notes every change of its files, and what its clients were told until when."""

    server: Server
    changes: FileChanges
    keys: dict[str, str]
    end: threading.Event = field(default_factory=threading.Event)
    # For each acknowledged batch of acme: how long the log was then, and the index and id of each of its events.
    acknowledged: list[tuple[int, dict[int, str]]] = field(default_factory=list)
    backup_done_at: int = 0
    expired: set[int] = field(default_factory=set)  # the indexes of old

    def send(self, numbers: "itertools.count[int]", seed: int) -> None:
        """Record batches until the end."""
        dice = random.Random(seed)
        with self.server.client(self.keys["acme"]) as client:
            while not self.end.is_set():
                events = [
                    {"action": "user.login", "external_id": f"mark-{next(numbers)}"}
                    for _ in range(dice.randint(1, LARGEST_BATCH))
                ]
                answer = client.post("/v1/audit-logs", json={"events": events}).raise_for_status().json()
                position = self.changes.position()
                self.acknowledged.append((position, {one["index"]: one["id"] for one in answer["events"]}))

    def run(self) -> None:
        """Send for some seconds, and make a backup meanwhile."""
        numbers = itertools.count()
        senders = [threading.Thread(target=self.send, args=(numbers, seed)) for seed in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(SECONDS / 2)
        self.server.command("backup", "create", str(self.server.home / "backup"), **self.changes.environ)
        self.backup_done_at = self.changes.position()
        time.sleep(SECONDS / 2)
        self.end.set()
        for sender in senders:
            sender.join()


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """The run, ended by a kill."""
    home = tmp_path_factory.mktemp("home")
    server = Server(home)
    server.start()
    keys = {slug: server.key(server.organization(slug, days)) for slug, days in (("acme", 365), ("old", 1))}
    with server.client(keys["old"]) as client:
        # Not a day late when they are recorded: a late event would wait for a purge that tells of it.
        expires = datetime.now(UTC) + timedelta(seconds=10)
        at = (expires - timedelta(days=1)).isoformat()
        events = [{"action": "user.login", "timestamp": at} for _ in range(OLD_EVENTS)]
        answer = client.post("/v1/audit-logs?wait=searchable", json={"events": events}).raise_for_status().json()
        expired = {one["index"] for one in answer["events"]}
    server.stop()
    wait_until(lambda: datetime.now(UTC) > expires)
    let_purge(server, "old")
    changes = FileChanges(home, tmp_path_factory.mktemp("changes"))
    outside = server.environ
    server.environ = {**outside, **changes.environ}
    server.start()
    made = Load(server, changes, keys, expired=expired)
    made.run()
    server.kill()
    server.environ = outside
    assert b"tmp_insert_" in changes.noted(), "the engine's changes are not noted"
    return made


def let_purge(server: Server, slug: str) -> None:
    """Let the next server purge what has expired, beside its load."""
    database = Database(f"sqlite:///{server.data_dir / 'tallystick.db'}")
    with database.write() as connection:
        org_id = organizations.by_slug(connection, slug).org_id
        connection.execute(delete(purges).where(purges.c.org_id == org_id))  # when the next one is due
    database.close()


CHANGES = """
import os

def write(name, text, *, sync):
    file = os.open(name, os.O_CREAT | os.O_WRONLY)
    os.write(file, text)
    if sync:
        os.fsync(file)

write("kept", b"1", sync=True)
write("unsynced", b"23", sync=False)
os.mkdir("directory")
write("directory/inner", b"4", sync=True)
os.fsync(os.open(".", os.O_RDONLY))
os.rename("kept", "renamed")
"""
LEFT = {
    SYNCED_NAMES: {"before": b"0", "kept": b"1", "unsynced": b""},
    ORDERED_NAMES: {"before": b"0", "kept": b"1", "unsynced": b"", "directory/inner": b"4"},
    ALL_NAMES: {"before": b"0", "renamed": b"1", "unsynced": b"\0\0", "directory/inner": b"4"},
}


@pytest.mark.parametrize("names", LEFT)
def test_a_power_cut_takes_what_was_not_synchronized(names: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "before").write_bytes(b"0")
    changes = FileChanges(root, tmp_path)
    subprocess.run([sys.executable, "-c", CHANGES], cwd=root, env={**os.environ, **changes.environ}, check=True)
    changes.cut(changes.position(), names, left := tmp_path / "left")
    assert {str(file.relative_to(left)): file.read_bytes() for file in left.rglob("*") if file.is_file()} == LEFT[names]


@pytest.mark.full_size
def test_what_was_acknowledged_is_there_after_a_power_cut(load: Load) -> None:
    dice = random.Random(3)
    first, last = load.acknowledged[0][0], load.changes.position()
    for number, position in enumerate(sorted(dice.randint(first, last) for _ in range(CUTS))):
        shutil.rmtree(load.server.home)
        load.changes.cut(position, (SYNCED_NAMES, ALL_NAMES, ORDERED_NAMES)[number % 3], load.server.home)
        load.server.start()
        told = {index: event_id for at, some in load.acknowledged if at <= position for index, event_id in some.items()}
        assert_all_there(load.server, load.keys["acme"], set(told))
        assert told.items() <= ids(load, "acme").items()
        assert_old_events_are_whole_or_gone(load)
        load.server.stop()
        assert_no_event_is_doubled(load.server)
        if position >= load.backup_done_at:
            backup = load.server.home / "backup"
            check_files(backup, read_manifest(backup), lambda _size: None)


def assert_all_there(server: Server, key: str, acknowledged: set[int]) -> None:
    """Within a minute every acknowledged event is found; until then it is not searchable yet, or named as missing."""

    def is_there() -> bool:
        with server.client(key) as client:
            client.post("/v1/audit-logs?wait=searchable", json={"action": "user.login"})
        with suppress(httpx.HTTPStatusError):
            found, missing = read_trail(server, key)
            return acknowledged <= {one["index"] for one in found} and not missing
        follow_doctor(server)
        return False

    wait_until(is_there, MINUTE)


def ids(load: Load, slug: str) -> dict[int, str]:
    """The ids of all events of an organization by index, once all of them are searchable."""
    found: dict[int, str] = {}
    with load.server.client(load.keys[slug]) as client:
        client.post("/v1/audit-logs?wait=searchable", json={"action": "user.login"}).raise_for_status()
        asked: dict[str, str | int] = {"limit": 1000, "count": "none", "order": "recorded"}
        while True:
            page = client.get("/v1/audit-logs", params=asked).raise_for_status().json()
            found |= {one["index"]: one["id"] for one in page["data"]}
            if page["next_cursor"] is None:
                return found
            asked["cursor"] = page["next_cursor"]


def assert_old_events_are_whole_or_gone(load: Load) -> None:
    """No expired event is there within a minute: its purge goes on, if it was recorded, or begins."""
    wait_until(lambda: not load.expired & ids(load, "old").keys(), MINUTE)


def assert_no_event_is_doubled(server: Server) -> None:
    """The tree is that of its entries, and the store has each event once."""
    database = Database(f"sqlite:///{server.data_dir / 'tallystick.db'}")
    with database.read() as connection:
        org_id = organizations.by_slug(connection, "acme").org_id
        assert check.recompute(connection, org_id) == ledger_log.root(connection, org_id)
    database.close()
    rows, indexes = rows_by_another_process(server, str(org_id))
    assert rows == indexes
