"""Lets long computations end early: when the server stops, or when their time is over.

A worker, or whoever runs a function in a thread, calls `stop_on` with the event that says that the server stops. Code
in that thread asks at each of its steps, which are well below a second.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from tallystick.errors import Unavailable

T = TypeVar("T")
CHECK_EVERY = 1_000
_event: ContextVar[threading.Event | None] = ContextVar("stop_signal", default=None)


def stop_on(event: threading.Event) -> None:
    """Let computations of this thread, or of the functions that this task runs in threads, end once `event` is set."""
    _event.set(event)


def is_stopping() -> bool:
    """Whether the server stops."""
    event = _event.get()
    return event is not None and event.is_set()


def check_stop() -> None:
    """Raise Unavailable (`stopping`) if the server stops. What was computed so far is lost; nothing was written."""
    if is_stopping():
        raise Unavailable("The server is stopping. Send the same request again.", code="stopping", retry_after=5)


def until_stop(items: Iterable[T]) -> Iterator[T]:
    """Yield the items; raise as `check_stop` does if the server stops meanwhile. For loops over cheap items."""
    for place, item in enumerate(items):
        if place % CHECK_EVERY == 0:
            check_stop()
        yield item


class TimeSlice:
    """A part of a worker's time. It is over after `seconds`, or when the server stops."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Whether the work is to pause at its next step."""
        return time.monotonic() >= self._end or is_stopping()
