"""A thread in the background works while there is something to do, and outlives what fails."""

import threading

import pytest

from tallystick.clock import SECOND_US, now_us
from tallystick.database.engine import Database
from tallystick.errors import Conflict
from tallystick.work.background import Background
from tallystick.work.leases import Lease

LONG = 60.0


class Worker(Background):
    """Does what is on its list; a failure is raised."""

    def __init__(self, *todo: Exception | bool, idle_seconds: float = LONG, lease: Lease | None = None) -> None:
        super().__init__("work", idle_seconds=idle_seconds, lease=lease)
        self.todo = list(todo)
        self.at_rest = threading.Event()

    def step(self) -> bool:
        if not self.todo:
            self.at_rest.set()
            return False
        one = self.todo.pop(0)
        if isinstance(one, Exception):
            raise one
        return one


@pytest.mark.parametrize("failure", [Conflict("in the way"), OSError("no disk"), ZeroDivisionError()])
def test_what_fails_ends_nothing(failure: Exception) -> None:
    worker = Worker(True, failure, True, idle_seconds=0.01)
    worker.start()
    assert worker.at_rest.wait(LONG)
    worker.stop()
    assert worker.todo == []


def test_it_goes_on_at_once_while_there_is_something_to_do_and_then_when_it_is_woken() -> None:
    worker = Worker(*[True] * 100)
    worker.start()
    assert worker.at_rest.wait(LONG / 2)
    worker.at_rest.clear()
    worker.wake()
    assert worker.at_rest.wait(LONG / 2)
    worker.stop()


def test_when_it_stops_another_process_may_begin_at_once(sqlite_database: Database) -> None:
    worker = Worker(lease=Lease(sqlite_database, "work", seconds=3600))
    assert worker.may_work(now_us())
    worker.start()
    assert not Lease(sqlite_database, "work", seconds=3600).hold(now_us() + SECOND_US)
    worker.stop()
    assert Lease(sqlite_database, "work", seconds=3600).hold(now_us())


def test_one_that_was_never_started_can_be_stopped() -> None:
    Worker().stop()
