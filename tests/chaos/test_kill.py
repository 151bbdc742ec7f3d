"""A power cut at any moment of a heavy ingest, again and again on the same data."""

import itertools
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tallystick.access import organizations
from tallystick.database.engine import Database
from tallystick.ledger import check
from tallystick.ledger import log as ledger_log
from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import size

ROUNDS = int(os.environ.get("TALLYSTICK_CHAOS_ROUNDS") or size(3, 50))
SENDERS = 6
LARGEST_BATCH = 200


@dataclass
class Witness:
    """What the clients were told: the mark of each answered event and its index."""

    answered: dict[str, tuple[str, int]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


def send_until_it_dies(server: Server, key: str, witness: Witness, numbers: "itertools.count[int]", seed: int) -> None:
    """Record batches of every size until the server is gone; remember what was answered and what was not."""
    dice = random.Random(seed)
    with server.client(key) as client:
        while True:
            marks = [f"mark-{next(numbers)}" for _ in range(dice.randint(1, LARGEST_BATCH))]
            months = [f"2024-{dice.randint(1, 12):02}-15T10:00:00Z" for _ in marks]
            events = [
                {"action": "project.updated", "timestamp": month, "external_id": mark, "metadata": {"mark": mark}}
                for mark, month in zip(marks, months, strict=True)
            ]
            try:
                answer = client.post("/v1/audit-logs", json={"events": events})
            except httpx.TransportError:
                with witness.lock:
                    witness.doubtful.update(marks)
                return
            if answer.status_code == 503:
                time.sleep(0.05)
                continue
            assert answer.status_code == 201, answer.text
            with witness.lock:
                for mark, one in zip(marks, answer.json()["events"], strict=True):
                    witness.answered[mark] = (one["id"], one["index"])


def everything(server: Server, key: str) -> list[dict[str, object]]:
    """The whole trail in the order of the log, after everything is searchable."""
    found: list[dict[str, object]] = []
    with server.client(key) as client:
        last = client.post("/v1/audit-logs?wait=searchable", json={"action": "project.viewed"}).json()
        end = last["events"][0]["index"]
        parameters: dict[str, str | int] = {"order": "recorded", "limit": 1000, "count": "none"}
        while True:
            page = client.get("/v1/audit-logs", params=parameters).json()
            found += page["data"]
            if page["next_cursor"] is None:
                assert page["searchable_through"] >= end
                return found
            parameters["cursor"] = page["next_cursor"]


@pytest.mark.full_size
def test_every_answered_event_survives_a_kill_exactly_once(start_server: Starter, tmp_path: Path) -> None:
    server = start_server(home=tmp_path)
    server.organization("acme")
    key = server.key("acme")
    witness, numbers = Witness(), itertools.count()
    dice = random.Random(7)
    for number in range(ROUNDS):
        senders = [
            threading.Thread(target=send_until_it_dies, args=(server, key, witness, numbers, number * 100 + n))
            for n in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        time.sleep(dice.uniform(0.05, 1.2))
        server.kill()
        for sender in senders:
            sender.join()
        server.start()
    found = everything(server, key)
    server.stop()

    assert [one["index"] for one in found] == list(range(len(found)))
    kept = {one["external_id"]: (one["id"], one["index"]) for one in found if "external_id" in one}
    assert len(kept) == sum("external_id" in one for one in found)
    assert {mark: kept.get(mark) for mark in witness.answered} == witness.answered
    assert set(kept) <= set(witness.answered) | witness.doubtful
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
