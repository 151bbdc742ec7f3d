"""A thread that works while there is something to do."""

import threading
import time
from abc import ABC, abstractmethod

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tallystick.errors import Outage, TallystickError
from tallystick.work.leases import Lease

EXPECTED = (Outage, SQLAlchemyError, TallystickError, OSError)  # what passes by itself, or is said in its words
logger = structlog.get_logger(__name__)


class Background(ABC):
    """Calls `step` in a thread of its own, again at once while it is busy, otherwise when woken or after a while.

    What fails is logged as `<name>_failed` and tried again; only `stop` ends it.
    """

    def __init__(
        self, name: str, *, idle_seconds: float, breath_seconds: float = 0.0, lease: Lease | None = None
    ) -> None:
        self._failure_event = f"{name}_failed"
        self._idle_seconds = idle_seconds
        self._breath_seconds = breath_seconds
        self._lease = lease
        self.stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def step(self) -> bool:
        """Do one thing; False when there is nothing to do."""

    def may_work(self, now: int) -> bool:
        """Whether this process holds the lease at `now` (microseconds), if there is one."""
        return self._lease is None or self._lease.hold(now)

    def breath(self, _taken: float) -> float:
        """How many seconds to wait after a step that took so many."""
        return self._breath_seconds

    def at_the_end(self) -> None:
        """The thread has ended: let another process begin."""
        if self._lease is not None:
            self._lease.end()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    def stop(self) -> None:
        """End after the step under way."""
        self.stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()
        self.at_the_end()

    def try_step(self) -> bool:
        """`step`, whatever happens in it."""
        try:
            return self.step()
        except EXPECTED as error:
            logger.warning(self._failure_event, error=str(error)[:500])
        except Exception:
            logger.exception(self._failure_event)
        return False

    def _run(self) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            if self.try_step():
                self.stopping.wait(self.breath(time.monotonic() - began))
            else:
                self._woken.wait(self._idle_seconds)
                self._woken.clear()
