"""A ClickHouse server that lies at random about what it stored: every event is there exactly once in the end."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fixtures.chaos_seed import chaos_seed
from tests.fixtures.clickhouse_server import ClickHouseServer
from tests.fixtures.recording_load import RecordingLoad, Witness, assert_complete, wait_until_recording
from tests.fixtures.servers import Starter
from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until

SECONDS = size(1, 60)
LONGEST_PAUSE = 0.4  # between two lies
INSERT_LIES = ("lie", "part", "flip", "double")
STALE = ("SELECT DISTINCT seq FROM events", "FROM system.parts")


@contextmanager
def lying(store: ClickHouseServer, dice: random.Random) -> Iterator[None]:
    """The server lies about inserts, or answers a question as it did before, again and again until the block ends.

    Each kind of lie about inserts is told at least once, and one waits to be told at a time.
    """
    told = len(INSERT_LIES)
    for kind in INSERT_LIES:
        store.fail(kind, "INSERT INTO events")
    end = threading.Event()

    def lie() -> None:
        nonlocal told
        while not end.wait(dice.uniform(0, LONGEST_PAUSE)):
            if len(store.faults_met()) < told:
                continue
            told += 1
            if dice.random() < 0.7:
                store.fail(dice.choice(INSERT_LIES), "INSERT INTO events")
            else:
                store.fail("stale", dice.choice(STALE))

    thread = threading.Thread(target=lie)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.mark.full_size
def test_a_store_that_lies_under_load_has_every_event_exactly_once_in_the_end(
    start_server: Starter, tmp_path: Path
) -> None:
    seed = chaos_seed("2")
    dice = random.Random(seed)
    store = ClickHouseServer(tmp_path / "store")
    try:
        server = start_server(TALLYSTICK_EVENTS_URL=store.url)
        key = server.key(server.organization("acme", 3650))
        witness = Witness()
        with RecordingLoad(server, key, witness, dice.random()), lying(store, dice):
            time.sleep(SECONDS)
            wait_until(lambda: set(store.faults_met()) >= set(INSERT_LIES))
        met = Counter(store.end_faults())
        through = wait_until_recording(server, key)
        assert_complete(server, key, witness, through)
        print(f"{len(witness.answered)} events acknowledged; lies: {dict(met)}")
        assert not witness.refused
        server.wait_for_output("not_read_back")
        server.stop()
        assert "All" in server.command("store", "check").stdout
    finally:
        store.kill()
