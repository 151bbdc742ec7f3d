"""A power cut at any moment of a heavy ingest, again and again on the same data."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tallystick.access import organizations
from tallystick.database.engine import Database
from tallystick.ledger import check
from tallystick.ledger import log as ledger_log
from tests.fixtures.recording_load import RecordingLoad, Witness, assert_as_told, read_trail
from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import size

ROUNDS = int(os.environ.get("TALLYSTICK_CHAOS_ROUNDS") or size(3, 50))
SENDERS = 6
KEPT_DAYS = 3650  # the load is of 2024


@pytest.mark.full_size
def test_every_answered_event_survives_a_kill_exactly_once(start_server: Starter, tmp_path: Path) -> None:
    server = start_server(home=tmp_path)
    key = server.key(server.organization("acme", KEPT_DAYS))
    witness = Witness()
    dice = random.Random(7)
    for number in range(ROUNDS):
        with RecordingLoad(server, key, witness, number, senders=SENDERS):
            time.sleep(dice.uniform(0.05, 1.2))
            server.kill()
        server.start()
    with server.client(key) as client:
        last = client.post("/v1/audit-logs?wait=searchable", json={"action": "project.viewed"}).json()
    found, missing = read_trail(server, key)
    server.stop()

    assert not missing
    assert [one["index"] for one in found] == list(range(last["events"][0]["index"] + 1))
    assert_as_told(found, witness, range(len(found)))
    assert_tree_and_store_hold(server, len(found))


def assert_tree_and_store_hold(server: Server, count: int) -> None:
    """The tree recomputes from its entries, and the store holds each row once."""
    database = Database(f"sqlite:///{server.data_dir / 'tallystick.db'}")
    with database.read() as connection:
        org_id = organizations.by_slug(connection, "acme").org_id
        assert check.recompute(connection, org_id) == ledger_log.root(connection, org_id)
        assert ledger_log.root(connection, org_id)[0] == count
    database.close()
    assert rows_by_another_process(server, str(org_id)) == [count, count]


def rows_by_another_process(server: Server, org_id: str) -> list[int]:
    """How many rows and how many indexes the store holds; this process has a store of its own already."""
    code = (
        "import sys; from tallystick.store.events import EventStore; s = EventStore(sys.argv[1]); "
        "print(*s.rows('SELECT count(), uniqExact(seq) FROM events WHERE org_id = {o:UUID}', {'o': sys.argv[2]})[0])"
    )
    return [int(word) for word in _python(code, f"chdb://{server.data_dir}/events", org_id).split()]


def _python(code: str, *arguments: str) -> str:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True).stdout
