"""Appending: indexes, tiles and roots, and everything that must not be able to spoil them."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, select, update

from tallystick.database.engine import Database
from tallystick.errors import NotFound, Unavailable
from tallystick.ledger import log as ledger
from tallystick.ledger.check import check_edge, recompute
from tallystick.ledger.edges import read_edge
from tallystick.ledger.tables import logs, tiles
from tallystick.merkle.tree import EMPTY, extend, leaf_hashes

NOW = 1_705_329_045_120_000


def entries_of(count: int, first: int = 0, name: str = "") -> list[bytes]:
    return [sha256(f"{name}{number}".encode()).digest() for number in range(first, first + count)]


def new_log(database: Database) -> UUID:
    org_id = uuid4()
    with database.write() as connection:
        ledger.create(connection, org_id, now=NOW)
    return org_id


def append(database: Database, org_id: UUID, entries: list[bytes]) -> ledger.Log:
    with database.write() as connection:
        return ledger.append(connection, ledger.lock(connection, org_id), entries)


def append_to(database: Database, log: ledger.Log, entries: list[bytes]) -> ledger.Log:
    with database.write() as connection:
        return ledger.append(connection, log, entries)


def append_and_roll_back(database: Database, org_id: UUID, entries: list[bytes]) -> ledger.Log:
    with database.read() as connection:
        return ledger.append(connection, ledger.lock(connection, org_id), entries)


def tiles_of(connection: Connection, org_id: UUID) -> list[tuple[int, int, bytes]]:
    columns = select(tiles.c.level, tiles.c.position, tiles.c.hashes).where(tiles.c.org_id == org_id)
    return [(*row[:2], bytes(row[2])) for row in connection.execute(columns.order_by(tiles.c.level, tiles.c.position))]


@contextmanager
def rows_written(database: Database) -> Iterator[list[int]]:
    """Collects the number of rows that each writing statement writes."""
    counts: list[int] = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith("INSERT"):
            counts.append(max(1, statement.count("), (") + 1))
        elif statement.startswith("UPDATE"):
            counts.append(1)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield counts
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_a_new_log_is_empty_and_right(database: Database) -> None:
    org_id = new_log(database)
    with database.read() as connection:
        assert ledger.root(connection, org_id) == recompute(connection, org_id) == (0, sha256(b"").digest())
        assert check_edge(read_edge(connection, org_id)) is None


def test_the_origin_of_a_log_is_random(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        origins = {ledger.create(connection, uuid4(), now=NOW).origin_id for _ in range(20)}
    assert len(origins) == 20
    assert {len(bytes.fromhex(origin)) for origin in origins} == {16}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(0, 600), max_size=6))
def test_a_log_appended_to_in_steps_is_the_one_appended_to_at_once(database: Database, steps: list[int]) -> None:
    entries, stepwise, at_once = entries_of(sum(steps)), new_log(database), new_log(database)
    at = 0
    for step in steps:
        assert append(database, stepwise, entries[at : at + step]).size == at + step
        at += step
    append(database, at_once, entries)
    with database.read() as connection:
        expected = (len(entries), extend(EMPTY, leaf_hashes(entries)).edge.root())
        assert ledger.root(connection, stepwise) == recompute(connection, stepwise) == expected
        assert check_edge(read_edge(connection, stepwise)) is None
        assert tiles_of(connection, stepwise) == tiles_of(connection, at_once)


def test_calls_of_any_size_on_one_transaction_go_on_from_each_other(database: Database) -> None:
    org_id, entries = new_log(database), entries_of(515)
    with database.write() as connection:
        log = ledger.lock(connection, org_id)
        for start, end in [(0, 1), (1, 255), (255, 256), (256, 257), (257, 515)]:
            log = ledger.append(connection, log, entries[start:end])
    with database.read() as connection:
        assert ledger.root(connection, org_id) == (515, extend(EMPTY, leaf_hashes(entries)).edge.root())
        assert [(level, position, len(hashes) // 32) for level, position, hashes in tiles_of(connection, org_id)] == [
            (0, 0, 256),
            (0, 1, 256),
            (0, 2, 3),
            (1, 0, 2),
        ]


def test_upper_tiles_are_filled_across_their_borders(database: Database) -> None:
    org_id, entries = new_log(database), entries_of(66_000)
    for start in range(0, len(entries), 16_500):
        append(database, org_id, entries[start : start + 16_500])
    with database.read() as connection:
        widths = {(level, at): len(hashes) // 32 for level, at, hashes in tiles_of(connection, org_id) if level}
        assert widths == {(1, 0): 256, (1, 1): 1, (2, 0): 1}
        assert recompute(connection, org_id) == ledger.root(connection, org_id)
        assert check_edge(read_edge(connection, org_id)) is None


def test_a_few_entries_cost_two_rows_and_a_filled_tile_two_more(database: Database) -> None:
    org_id = new_log(database)
    append(database, org_id, entries_of(300))
    with rows_written(database) as written:
        append(database, org_id, entries_of(10))
    assert written == [1, 1]
    with rows_written(database) as written:
        append(database, org_id, entries_of(250))
    assert sum(written) == 4


def test_two_thousand_entries_cost_one_row_for_each_tile_in_four_statements(database: Database) -> None:
    org_id = new_log(database)
    append(database, org_id, entries_of(300))
    with rows_written(database) as written:
        append(database, org_id, entries_of(2_000))
    assert written == [1, 1, 1, 7]


def test_no_entries_change_nothing(sqlite_database: Database) -> None:
    org_id = new_log(sqlite_database)
    with rows_written(sqlite_database) as written:
        before = append(sqlite_database, org_id, [])
    assert (before.size, written) == (0, [])


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33)])
def test_what_is_not_an_entry_is_refused(sqlite_database: Database, wrong: bytes) -> None:
    org_id = new_log(sqlite_database)
    with pytest.raises(ValueError, match="32 bytes"):
        append(sqlite_database, org_id, [bytes(32), wrong])


def test_logs_of_two_organizations_do_not_touch(database: Database) -> None:
    alice, bob = new_log(database), new_log(database)
    append(database, alice, entries_of(300))
    with database.read() as connection:
        of_alice = tiles_of(connection, alice)
    append(database, bob, entries_of(700, name="bob"))
    with database.read() as connection:
        assert tiles_of(connection, alice) == of_alice
        assert recompute(connection, alice) == ledger.root(connection, alice)


def test_an_organization_without_a_log_is_said_to_have_none(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection, pytest.raises(NotFound) as refusal:
        ledger.lock(connection, uuid4())
    assert refusal.value.code == "log_not_found"


def test_a_transaction_rolled_back_leaves_its_log_void_and_the_next_one_right(database: Database) -> None:
    org_id = new_log(database)
    append(database, org_id, entries_of(300))
    ahead = append_and_roll_back(database, org_id, entries_of(50, name="lost"))
    with pytest.raises(Unavailable) as refusal:
        append_to(database, ahead, entries_of(50))
    assert refusal.value.code == "log_moved"
    append(database, org_id, entries_of(50, first=300))
    with database.read() as connection:
        expected = (350, extend(EMPTY, leaf_hashes(entries_of(350))).edge.root())
        assert ledger.root(connection, org_id) == recompute(connection, org_id) == expected


def test_a_log_kept_while_another_node_appended_is_refused(database: Database, database_url: str) -> None:
    org_id = new_log(database)
    kept = append(database, org_id, entries_of(300))
    other_node = Database(database_url)
    append(other_node, org_id, entries_of(1, first=300))
    other_node.close()
    with pytest.raises(Unavailable) as refusal:
        append_to(database, kept, entries_of(1, name="stale"))
    assert refusal.value.code == "log_moved"


def test_a_log_of_the_same_size_with_another_root_is_refused(database: Database, database_url: str) -> None:
    org_id = new_log(database)
    ahead = append_and_roll_back(database, org_id, entries_of(5, name="lost"))
    other_node = Database(database_url)
    now = append(other_node, org_id, entries_of(5))
    other_node.close()
    assert now.size == ahead.size
    with pytest.raises(Unavailable) as refusal:
        append_to(database, ahead, entries_of(1, name="stale"))
    assert refusal.value.code == "log_moved"


def test_two_nodes_appending_in_turn_build_one_log(database: Database, database_url: str) -> None:
    org_id, entries = new_log(database), entries_of(1_100)
    other_node = Database(database_url)
    for turn, start in enumerate(range(0, 1_100, 100)):
        append(other_node if turn % 2 else database, org_id, entries[start : start + 100])
    other_node.close()
    with database.read() as connection:
        expected = (1_100, extend(EMPTY, leaf_hashes(entries)).edge.root())
        assert ledger.root(connection, org_id) == recompute(connection, org_id) == expected


def test_a_frozen_log_takes_nothing_and_says_why(database: Database) -> None:
    org_id = new_log(database)
    kept = append(database, org_id, entries_of(3))
    with database.write() as connection:
        ledger.freeze(connection, org_id, "the root differs")
    with pytest.raises(Unavailable) as refusal, database.write() as connection:
        ledger.lock(connection, org_id)
    assert (refusal.value.status, refusal.value.code) == (503, "log_frozen")
    assert refusal.value.extra == {"reason": "the root differs"}
    with pytest.raises(Unavailable):
        append_to(database, kept, entries_of(1))


def test_a_frozen_log_can_be_read(database: Database) -> None:
    org_id = new_log(database)
    append(database, org_id, entries_of(3))
    with database.write() as connection:
        ledger.freeze(connection, org_id, "the root differs")
    with database.read() as connection:
        assert ledger.root(connection, org_id) == recompute(connection, org_id)
        assert ledger.read(connection, org_id).frozen_reason == "the root differs"


def test_the_first_reason_for_freezing_stays(sqlite_database: Database) -> None:
    org_id = new_log(sqlite_database)
    with sqlite_database.write() as connection:
        ledger.freeze(connection, org_id, "first")
        ledger.freeze(connection, org_id, "second")
        assert ledger.read(connection, org_id).frozen_reason == "first"


@pytest.mark.parametrize("width", [0, 43, 45])
def test_a_tile_of_another_width_than_the_size_demands_stops_the_append(database: Database, width: int) -> None:
    org_id = new_log(database)
    append(database, org_id, entries_of(300))
    last = (tiles.c.org_id == org_id) & (tiles.c.level == 0) & (tiles.c.position == 1)
    with database.write() as connection:
        connection.execute(update(tiles).where(last).values(hashes=bytes(32 * width)))
    with pytest.raises(ledger.LedgerDamaged) as damage:
        append(database, org_id, entries_of(1))
    assert damage.value.code == "log_damaged"
    with database.read() as connection:
        assert ledger.root(connection, org_id)[0] == 300


@pytest.mark.parametrize("altered", [{"size": 4}, {"root": bytes(32)}, {"edge": bytes(64)}])
def test_a_row_that_contradicts_itself_stops_the_append(sqlite_database: Database, altered: dict[str, object]) -> None:
    org_id = new_log(sqlite_database)
    append(sqlite_database, org_id, entries_of(3))
    with sqlite_database.write() as connection:
        connection.execute(update(logs).where(logs.c.org_id == org_id).values(altered))
    with pytest.raises(ledger.LedgerDamaged, match="contradicts itself"):
        append(sqlite_database, org_id, entries_of(1))
