"""A thread pool that organizations share fairly."""

import threading
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from tallystick.query.scope import Scope
from tallystick.work.fair_limiter import FairLimiter, Shares
from tallystick.work.stop_signal import stop_on

P = ParamSpec("P")
T = TypeVar("T")


class FairThreadPool:
    """Runs blocking functions in as many threads as `shares` has places. A call waits for its turn without a thread."""

    def __init__(self, shares: Shares, work: str, stopping: threading.Event | None = None) -> None:
        """`work` says in the plural what is run, for the errors: "searches".

        Functions that ask `stop_signal` end once `stopping` is set.
        """
        self.turns = FairLimiter(shares, work)
        self._stopping = stopping or threading.Event()
        self._threads = anyio.CapacityLimiter(shares.places)

    async def run(self, scope: Scope, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `function(*args, **kwargs)` in a worker thread, at the turn of the scope's organization.

        Raises TooMany and Unavailable as FairLimiter does.
        """
        stop_on(self._stopping)
        async with self.turns.place(scope):
            return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._threads)
