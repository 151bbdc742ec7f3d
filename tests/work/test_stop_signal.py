"""Computations end at their next step when the server stops, and workers that do not end are given up."""

import asyncio
import threading
from uuid import UUID

import pytest

from tallystick.access.scopes import operator_scope
from tallystick.errors import Unavailable
from tallystick.work.background import Background, stop_workers
from tallystick.work.request_pools import RequestPools
from tallystick.work.stop_signal import CHECK_EVERY, TimeSlice, check_stop, is_stopping, until_stop


def test_a_computation_for_a_request_is_broken_off_when_the_server_stops():
    pools = RequestPools(searches=2)
    began = threading.Event()

    def compute() -> None:
        began.set()
        for _ in until_stop(iter(int, 1)):
            pass

    async def test() -> None:
        asked = asyncio.ensure_future(pools.analyses.run(operator_scope(UUID(int=1)), compute))
        await asyncio.to_thread(began.wait)
        pools.stopping.set()
        with pytest.raises(Unavailable) as broken:
            await asked
        assert (broken.value.code, broken.value.status) == ("stopping", 503)

    asyncio.run(test())


def test_outside_of_a_server_nothing_stops():
    check_stop()
    assert not is_stopping()
    assert list(until_stop(range(2 * CHECK_EVERY + 1))) == list(range(2 * CHECK_EVERY + 1))
    assert not TimeSlice(3600).is_over()
    assert TimeSlice(0).is_over()


class _Worker(Background):
    """Takes one step, which ends when it is let go, or when it is told to stop."""

    def __init__(self, name: str, *, hangs: bool) -> None:
        super().__init__(name, idle_seconds=60)
        self.began, self.let_go = threading.Event(), threading.Event()
        self.was_over = False
        self._hangs = hangs

    def step(self) -> bool:
        self.began.set()
        if self._hangs:
            self.let_go.wait()
            return False
        self.stopping.wait()
        self.was_over = TimeSlice(3600).is_over()
        check_stop()
        raise AssertionError("the step goes on")


def test_workers_stop_together_and_one_that_hangs_is_given_up():
    hanging, others = _Worker("hanging", hangs=True), [_Worker(f"other{number}", hangs=False) for number in range(3)]
    for worker in (hanging, *others):
        worker.start()
        worker.began.wait()
    assert not stop_workers([hanging, *others], 0.5)
    assert [worker.was_over for worker in others] == [True] * 3
    assert not any(worker._thread.is_alive() for worker in others)
    hanging.let_go.set()
    assert stop_workers([hanging], 60)
