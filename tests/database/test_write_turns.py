"""Threads that write to a SQLite file wait for their turn, and none of them waits for ever."""

import threading
from pathlib import Path

from tallystick.database.engine import Database
from tallystick.database.write_turns import WriteTurns, turns_of

SECONDS = 10


def order(*waiting: bool) -> list[int]:
    """The order in which threads that wait with or without precedence get their turn."""
    turns, got = WriteTurns(), []

    def work(number: int, precedence: bool) -> None:
        with turns.turn(precedence=precedence, seconds=SECONDS):
            got.append(number)

    threads = [threading.Thread(target=work, args=one) for one in enumerate(waiting)]
    with turns.turn(precedence=False, seconds=SECONDS):
        for number, thread in enumerate(threads):
            thread.start()
            while turns.waiting < number + 1:
                pass
    for thread in threads:
        thread.join(SECONDS)
    return got


def test_turns_come_in_the_order_of_their_coming() -> None:
    assert order(False, False, False) == [0, 1, 2]


def test_precedence_takes_every_second_turn_only() -> None:
    assert order(False, False, True, True) == [2, 0, 3, 1]


def test_who_waits_too_long_goes_on_without_a_turn() -> None:
    turns = WriteTurns()
    with turns.turn(precedence=False, seconds=SECONDS), turns.turn(precedence=True, seconds=0.01):
        assert turns.waiting == 0
    with turns.turn(precedence=False, seconds=0):
        assert turns.waiting == 0


def test_all_that_open_one_file_share_its_turns(tmp_path: Path) -> None:
    assert turns_of(str(tmp_path / "a" / ".." / "one.db")) is turns_of(str(tmp_path / "one.db"))
    assert turns_of(str(tmp_path / "one.db")) is not turns_of(str(tmp_path / "two.db"))


def test_a_transaction_waits_while_another_database_object_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.db'}"
    first, second = Database(url), Database(url, precedence=True)
    ended = threading.Event()

    def work() -> None:
        with second.write() as connection:
            connection.exec_driver_sql("INSERT INTO facts VALUES (2)")
        ended.set()

    with first.write() as connection:
        connection.exec_driver_sql("CREATE TABLE facts (number INTEGER)")
        thread = threading.Thread(target=work)
        thread.start()
        while turns_of(str(tmp_path / "one.db")).waiting == 0:
            pass
        assert not ended.is_set()
    assert ended.wait(SECONDS)
    thread.join(SECONDS)
    with first.read() as connection:
        assert connection.exec_driver_sql("SELECT number FROM facts").scalar() == 2
    first.close()
    second.close()
