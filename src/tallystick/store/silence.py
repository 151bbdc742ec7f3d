"""Whether a ClickHouse server is silent: it takes connections or statements, and does not answer.

One caller finds out by waiting; the others are refused at once, instead of filling threads and connections.
"""

import threading
import time

from tallystick.store.errors import StoreError

PAUSE_SECONDS = 5.0


class Silence:
    """Lets callers through while the server answers; while it does not, one at a time, every PAUSE_SECONDS."""

    def __init__(self, answer_seconds: float) -> None:
        """`answer_seconds`: how long one caller waits for an answer."""
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._is_silent = False
        self._next_try = 0.0

    def check(self) -> None:
        """Raise StoreError while the server is silent, unless it is time to try again."""
        with self._lock:
            if not self._is_silent:
                return
            now = time.monotonic()
            if now < self._next_try:
                raise StoreError("the event store does not answer")
            self._next_try = now + self._answer_seconds + PAUSE_SECONDS

    def begin(self) -> None:
        """The server did not answer."""
        with self._lock:
            self._is_silent = True
            self._next_try = time.monotonic() + PAUSE_SECONDS

    def end(self) -> None:
        """The server answered."""
        self._is_silent = False
