"""Lets the threads of the embedded engine yield to the server's own."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

TASKS = Path("/proc/self/task")
NICE = 10
EVERY_SECONDS = 1.0


class EnginePriority:
    """Gives the process's native threads, which the embedded engine starts as it needs them, a lower priority.

    On a busy machine a search of a few hundred milliseconds would otherwise keep the threads that record waiting for a
    core at each of their steps. Python's own threads keep their priority: they hold the interpreter lock in turns.
    Linux only; elsewhere it does nothing.
    """

    def __init__(self) -> None:
        self._next = 0.0

    def apply(self) -> None:
        """Lower the priority of threads started since the last call; does so at most every EVERY_SECONDS."""
        now = time.monotonic()
        if now < self._next or not TASKS.is_dir():
            return
        self._next = now + EVERY_SECONDS
        own = {thread.native_id for thread in threading.enumerate()}
        for thread in {int(task.name) for task in TASKS.iterdir()} - own:
            with suppress(OSError):  # it may have ended meanwhile
                os.setpriority(os.PRIO_PROCESS, thread, NICE)


ENGINE_PRIORITY = EnginePriority()
