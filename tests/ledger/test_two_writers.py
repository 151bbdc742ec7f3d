"""Several writers at once: the lock of the log's row decides, and the loser goes on from what the winner left."""

import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from tallystick.database.engine import Database
from tallystick.errors import Unavailable
from tallystick.ledger import log as ledger
from tallystick.ledger.check import check_edge, recompute
from tallystick.ledger.edges import read_edge
from tallystick.ledger.tables import tiles
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until

NOW = 1_705_329_045_120_000


def entries_of(count: int, name: str) -> list[bytes]:
    return [sha256(f"{name}{number}".encode()).digest() for number in range(count)]


def new_log(database: Database) -> UUID:
    org_id = uuid4()
    with database.write() as connection:
        ledger.create(connection, org_id, now=NOW)
    return org_id


def wait_until_someone_waits_for_a_lock(database: Database) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def count() -> int:
        with database.read() as connection:
            return int(connection.execute(waiting).scalar_one())

    wait_until(count)


def test_the_second_to_lock_waits_and_then_goes_on_from_the_first(
    postgresql_database: Database, postgresql_url: str
) -> None:
    org_id, other_node = new_log(postgresql_database), Database(postgresql_url)

    def second() -> tuple[int, int]:
        with other_node.write() as connection:
            log = ledger.lock(connection, org_id)
            return log.size, ledger.append(connection, log, entries_of(7, "second")).size

    with ThreadPoolExecutor(1) as thread:
        with postgresql_database.write() as connection:
            ledger.append(connection, ledger.lock(connection, org_id), entries_of(300, "first"))
            loser = thread.submit(second)
            wait_until_someone_waits_for_a_lock(other_node)
        assert loser.result(PATIENCE_SECONDS) == (300, 307)
    other_node.close()
    with postgresql_database.read() as connection:
        assert recompute(connection, org_id) == ledger.root(connection, org_id)


def test_the_second_to_lock_goes_on_from_the_beginning_when_the_first_rolls_back(
    postgresql_database: Database, postgresql_url: str
) -> None:
    org_id, other_node = new_log(postgresql_database), Database(postgresql_url)

    def second() -> int:
        with other_node.write() as connection:
            return ledger.append(connection, ledger.lock(connection, org_id), entries_of(7, "second")).size

    with ThreadPoolExecutor(1) as thread:
        with postgresql_database.engine.connect() as connection:
            ledger.append(connection, ledger.lock(connection, org_id), entries_of(300, "first"))
            loser = thread.submit(second)
            wait_until_someone_waits_for_a_lock(other_node)
            connection.rollback()
        assert loser.result(PATIENCE_SECONDS) == 7
    other_node.close()
    with postgresql_database.read() as connection:
        assert recompute(connection, org_id) == ledger.root(connection, org_id)


def test_who_appends_without_the_lock_loses_to_who_holds_it(postgresql_database: Database, postgresql_url: str) -> None:
    org_id, other_node = new_log(postgresql_database), Database(postgresql_url)

    def without_lock() -> None:
        with other_node.write() as connection:
            ledger.append(connection, ledger.read(connection, org_id), entries_of(7, "second"))

    with ThreadPoolExecutor(1) as thread:
        with postgresql_database.write() as connection:
            ledger.append(connection, ledger.lock(connection, org_id), entries_of(3, "first"))
            loser = thread.submit(without_lock)
            wait_until_someone_waits_for_a_lock(other_node)
        with pytest.raises(Unavailable) as refusal:
            loser.result(PATIENCE_SECONDS)
    other_node.close()
    assert refusal.value.code == "log_moved"
    with postgresql_database.read() as connection:
        assert ledger.root(connection, org_id)[0] == 3


def test_many_writers_on_two_nodes_leave_no_gap_and_no_double(database: Database, database_url: str) -> None:
    org_id, other_node = new_log(database), Database(database_url)
    placed: dict[int, bytes] = {}
    start = threading.Barrier(4)

    def write(writer: int) -> None:
        node = other_node if writer % 2 else database
        start.wait(PATIENCE_SECONDS)
        for call in range(12):
            entries = entries_of(1 + (writer * 37 + call * 53) % 90, f"{writer}/{call}/")
            with node.write() as connection:
                log = ledger.lock(connection, org_id)
                ledger.append(connection, log, entries)
            placed.update(enumerate(entries, start=log.size))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    other_node.close()
    with database.read() as connection:
        size, root = ledger.root(connection, org_id)
        assert recompute(connection, org_id) == (size, root)
        assert check_edge(read_edge(connection, org_id)) is None
        bottom = select(tiles.c.hashes).where(tiles.c.org_id == org_id, tiles.c.level == 0).order_by(tiles.c.position)
        stored = b"".join(connection.execute(bottom).scalars())
    assert sorted(placed) == list(range(size))
    assert stored == b"".join(placed[index] for index in range(size))
