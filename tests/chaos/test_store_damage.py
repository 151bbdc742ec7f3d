"""Files of the embedded event store lost or damaged, in every way: each acknowledged event is there or is named."""

import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tallystick.access import organizations
from tallystick.database.engine import Database
from tallystick.journal import tail
from tests.fixtures.recording_load import MINUTE, ask_doctor, follow_doctor, read_trail
from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until

ROUNDS = size(1, 10)
BATCHES, BATCH = 4, size(50, 400)


def parts(store: Path) -> list[Path]:
    """The directories of the data parts of the table of events, the largest first."""
    found = [
        file.parent
        for file in store.rglob("columns.txt")
        if "`search_text`" in file.read_text() and "detached" not in file.parts
    ]
    return sorted(found, key=lambda part: -sum(file.stat().st_size for file in part.iterdir()))


def truncate_file(store: Path, dice: random.Random) -> None:
    files = [file for file in parts(store)[0].iterdir() if file.stat().st_size > 1]
    file = dice.choice(files)
    os.truncate(file, dice.randrange(file.stat().st_size))


def flip_bytes(store: Path, dice: random.Random) -> None:
    file = max(parts(store)[0].glob("*.bin"), key=lambda one: one.stat().st_size)
    content = bytearray(file.read_bytes())
    for at in range(0, len(content), max(1, len(content) // 64)):
        content[at] ^= dice.randrange(1, 256)
    file.write_bytes(content)


def remove_file(store: Path, dice: random.Random) -> None:
    dice.choice(list(parts(store)[0].iterdir())).unlink()


def remove_part(store: Path, _dice: random.Random) -> None:
    shutil.rmtree(parts(store)[0])


def remove_store(store: Path, _dice: random.Random) -> None:
    shutil.rmtree(store)


def remove_metadata(store: Path, _dice: random.Random) -> None:
    for file in store.rglob("events.sql"):
        file.unlink()


DAMAGES: list[Callable[[Path, random.Random], None]] = [
    truncate_file, remove_file, flip_bytes, remove_part, remove_metadata, remove_store
]  # fmt: skip


@dataclass
class Installation:
    """A server with one organization, and what its clients were told."""

    server: Server
    key: str
    acknowledged: set[int] = field(default_factory=set)

    def record(self) -> set[int]:
        """Record some batches and wait until they are searchable; returns their indexes."""
        made: set[int] = set()
        with self.server.client(self.key) as client:
            for number in range(BATCHES):
                events = [{"action": "user.login", "metadata": {"note": f"note {n}"}} for n in range(BATCH)]
                wait = "?wait=searchable" if number == BATCHES - 1 else ""
                answer = client.post(f"/v1/audit-logs{wait}", json={"events": events}).raise_for_status()
                made |= {one["index"] for one in answer.json()["events"]}
        self.acknowledged |= made
        return made

    def forget_tail(self) -> None:
        """Delete what the journal has kept of the events up to now, as after some hours."""
        database = Database(f"sqlite:///{self.server.data_dir / 'tallystick.db'}")
        with database.read() as connection:
            org_id = organizations.by_slug(connection, "acme").org_id
        tail.remove(database, org_id, sorted(self.acknowledged), lambda _connection: False)
        database.close()


@pytest.fixture(scope="module")
def installation(start_server: Starter) -> Iterator[Installation]:
    server = start_server()
    server.organization("acme")
    yield Installation(server, server.key("acme"))
    server.stop()


def test_a_server_whose_engine_refuses_the_table_records_and_names_the_part_and_the_command(
    installation: Installation,
) -> None:
    server = installation.server
    installation.record()
    server.kill()
    part = parts(server.data_dir / "events")[0]
    os.truncate(part / "data.bin", 10)
    server.start()
    with server.client(installation.key) as client:
        recorded = client.post("/v1/audit-logs", json={"action": "user.login"})
        assert recorded.status_code == 201
        installation.acknowledged.add(recorded.json()["events"][0]["index"])
        answer = client.get("/v1/audit-logs")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_damaged")
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    wait_until(lambda: part.name in ask_doctor(server), MINUTE)
    assert "store check --set-aside" in ask_doctor(server)
    server.wait_for_output(re.escape(part.name))
    follow_doctor(server)
    assert_all_known(installation, installation.record())


@pytest.mark.full_size
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_a_damaged_store_lost_comes_back_or_is_named_within_a_minute(
    installation: Installation, damage: Callable[[Path, random.Random], None]
) -> None:
    dice = random.Random(damage.__name__)
    for _ in range(ROUNDS):
        installation.record()
        installation.forget_tail()
        kept = installation.record()
        installation.server.kill()
        damage(installation.server.data_dir / "events", dice)
        installation.server.start()
        assert_all_known(installation, kept)


def assert_all_known(installation: Installation, kept: set[int]) -> None:
    """Within a minute every acknowledged event is found or named as missing, and those of the tail are found."""
    last = time.monotonic() + MINUTE
    found, missing = set[int](), set[int]()
    while time.monotonic() < last:
        with suppress(httpx.HTTPStatusError):
            events, missing = read_trail(installation.server, installation.key)
            found = {one["index"] for one in events}
            assert installation.acknowledged <= found | missing, "events are gone, and nothing says so"
            if kept <= found and not found & missing:
                break
        follow_doctor(installation.server)
        time.sleep(0.5)
    assert kept <= found
    assert not found & missing
    if missing:
        assert "missing events" in ask_doctor(installation.server)
