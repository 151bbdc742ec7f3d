"""Turns of this process's threads to write to a SQLite file.

SQLite has one writer and no queue: whoever finds it busy sleeps and tries again, up to a tenth of a second later.
Beside threads that write one transaction after the other, some wait for seconds so. Here they wait for their turn.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class WriteTurns:
    """Gives one thread at a time the turn: in the order of their coming, those with precedence at every second turn."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._is_taken = False
        self._last_had_precedence = False
        self._queues: dict[bool, deque[threading.Event]] = {True: deque(), False: deque()}

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return sum(len(queue) for queue in self._queues.values())

    @contextmanager
    def turn(self, *, precedence: bool, seconds: float) -> Iterator[None]:
        """Wait for the turn, and hold it. After `seconds` the block runs without: SQLite then refuses what it must."""
        admitted = threading.Event()
        with self._mutex:
            if self._is_taken:
                self._queues[precedence].append(admitted)
            else:
                self._give(admitted, precedence)
        if not admitted.wait(seconds):
            with self._mutex:
                if not admitted.is_set():
                    self._queues[precedence].remove(admitted)
        try:
            yield
        finally:
            if admitted.is_set():
                self._pass_on()

    def _give(self, admitted: threading.Event, precedence: bool) -> None:
        self._is_taken = True
        self._last_had_precedence = precedence
        admitted.set()

    def _pass_on(self) -> None:
        with self._mutex:
            self._is_taken = False
            for precedence in (not self._last_had_precedence, self._last_had_precedence):
                if self._queues[precedence]:
                    self._give(self._queues[precedence].popleft(), precedence)
                    return


_of_files: dict[str, WriteTurns] = {}
_files_mutex = threading.Lock()


def turns_of(path: str | None) -> WriteTurns:
    """The turns of a SQLite file, shared by all that open it in this process; a database in memory has its own."""
    if not path or path == ":memory:":
        return WriteTurns()
    with _files_mutex:
        return _of_files.setdefault(str(Path(path).resolve()), WriteTurns())
