"""Two servers on one ClickHouse server; one that ships stands still, and the other takes over: nothing is doubled."""

import os
import random
import signal
import time
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import update

from tallystick.database.engine import Database
from tallystick.ingest.shipper import LEASE
from tallystick.work.leases import leases
from tests.chaos.test_store_stopped import Senders, wait_until_searchable
from tests.fixtures.clickhouse_server import ClickHouseServer
from tests.fixtures.postgresql import PostgreSQL
from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import size

ROUNDS = size(2, 20)


@pytest.mark.full_size
def test_a_server_that_stood_still_doubles_nothing_that_its_successor_has_shipped(
    start_server: Starter, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    store = ClickHouseServer(tmp_path / "store")
    try:
        take_over_again_and_again(start_server, postgresql.create(f"lease_{uuid4().hex}"), store.url)
    finally:
        store.kill()


def take_over_again_and_again(start_server: Starter, url: str, events_url: str) -> None:
    """Let one of two servers stand still in each round, in turn; at the end, every event is found once."""
    settings = {"DATABASE_URL": url, "SECRET_KEY": "k" * 40, "EVENTS_URL": events_url}
    environ = {f"TALLYSTICK_{name}": value for name, value in settings.items()}
    servers = [start_server(**environ), start_server(**environ)]
    key = servers[0].key(servers[0].organization("acme"))
    marks: list[str] = []
    dice = random.Random(9)
    for number in range(ROUNDS):
        standing, other = servers[number % 2], servers[1 - number % 2]
        end_lease(url)  # so that now and then the one that will stand has it
        # The one that stands still may hold a lock on a row of the control database: events are refused meanwhile.
        with Senders(other, key, f"round-{number}", repeats=True) as sent:
            time.sleep(dice.uniform(0.5, 1.5))
            stop_and_take_over(standing, url, dice.uniform(1, 3))
            time.sleep(0.5)
        marks += sent.marks
    wait_until_searchable(servers[0], key, marks)
    for server in servers:
        server.stop()


def stop_and_take_over(server: Server, url: str, seconds: float) -> None:
    """Let a server stand still, and its lease end meanwhile."""
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        end_lease(url)
        time.sleep(seconds)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def end_lease(url: str) -> None:
    """The lease of the shipper ends, as it does after half a minute."""
    database = Database(url, pool_size=1)
    with database.write() as connection:
        connection.execute(update(leases).where(leases.c.name == LEASE).values(until=0))
    database.close()
