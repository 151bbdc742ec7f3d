"""Background: a worker thread that repeats a step while there is work, and sleeps until woken when there is none."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tallystick import telemetry
from tallystick.errors import Outage, TallystickError, Unavailable
from tallystick.work.leases import Lease
from tallystick.work.stop_signal import stop_on

# Errors that pass by themselves, or whose text says all that is to be known: logged without a traceback.
EXPECTED = (Outage, SQLAlchemyError, TallystickError, OSError)
logger = structlog.get_logger(__name__)


class Worker(Protocol):
    """Background work of a server process."""

    failures: int
    """How many steps in a row failed."""
    step_began_at: float | None
    """`time.monotonic()` at the beginning of the step under way, if one is."""

    def has_role(self) -> bool | None:
        """Whether this process holds the worker's lease; None for a worker without one."""

    def start(self) -> None: ...

    def request_stop(self) -> None:
        """Let the work end at its next step; returns at once."""

    def stop(self) -> None:
        """End after the step under way; blocks until then."""


def stop_workers(workers: Sequence[Worker], seconds: float) -> bool:
    """Stop workers that do not depend on each other, all at once; False if some had not ended after `seconds`.

    What such a worker was doing is given up: it is begun again at the next start, as after a crash.
    """
    for worker in workers:
        worker.request_stop()
    threads = [threading.Thread(target=worker.stop, name=f"stop {worker}", daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    running = [str(worker) for worker, thread in zip(workers, threads, strict=True) if thread.is_alive()]
    if running:
        logger.warning("workers_given_up", workers=running)
    return not running


class Background(ABC):
    """Repeats `step` in a thread of its own: at once while it finds work, otherwise when woken or after `idle_seconds`.

    A step that fails is logged as `<name>_failed` and repeated; only `stop` ends the thread.
    """

    def __init__(
        self, name: str, *, idle_seconds: float, breath_seconds: float = 0.0, lease: Lease | None = None
    ) -> None:
        """`breath_seconds`: the pause after a step that found work. `lease`: see `may_work`."""
        self._failure_event = f"{name}_failed"
        self._idle_seconds = idle_seconds
        self._breath_seconds = breath_seconds
        self._lease = lease
        self.failures = 0
        self.step_began_at: float | None = None
        self.stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __str__(self) -> str:
        return self._thread.name

    @abstractmethod
    def step(self) -> bool:
        """Do one unit of work; False when there was none."""

    def may_work(self, now: int) -> bool:
        """Whether this process holds the worker's lease at `now` (microseconds); True for a worker without one."""
        return self._lease is None or self._lease.hold(now)

    def has_role(self) -> bool | None:
        """Whether this process holds the worker's lease; None for a worker without one."""
        return None if self._lease is None else self._lease.is_held

    def breath(self, _took: float) -> float:
        """Seconds to wait after a step that found work and took `_took` seconds."""
        return self._breath_seconds

    def retry_pause(self, _failures: int) -> float:
        """Seconds to wait, even if woken, after `_failures` failed steps in a row; 0: as if there were no work."""
        return 0.0

    def log_failure(self, error: Exception) -> None:
        """Log an expected failure as one line, any other with its traceback."""
        if isinstance(error, EXPECTED):
            logger.warning(self._failure_event, error=str(error)[:500])
        else:
            logger.error(self._failure_event, exc_info=error)

    def close(self) -> None:
        """Called when the thread has ended: releases the lease, so that another process can take over at once."""
        if self._lease is not None:
            self._lease.end()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is work: an idle worker begins its next step at once."""
        self._woken.set()

    def request_stop(self) -> None:
        """Let the thread end after the step under way; a step that asks `stop_signal` ends early."""
        self.stopping.set()
        self._woken.set()

    def stop(self) -> None:
        """Do as `request_stop`, and wait for the thread's end."""
        self.request_stop()
        if self._thread.is_alive():
            self._thread.join()
        self.close()

    def try_step(self) -> bool | None:
        """`step`; None if it failed, which is logged."""
        try:
            return self.step()
        except Exception as error:
            if not (self.stopping.is_set() and isinstance(error, Unavailable)):  # it was broken off, and did not fail
                telemetry.background_failures_total.labels(str(self)).inc()
                self.log_failure(error)
            return None

    def _run(self) -> None:
        stop_on(self.stopping)
        while not self.stopping.is_set():
            self.step_began_at = began = time.monotonic()
            found_work = self.try_step()
            self.step_began_at = None
            self.failures = self.failures + 1 if found_work is None else 0
            if found_work:
                self.stopping.wait(self.breath(time.monotonic() - began))
            elif self.failures and (pause := self.retry_pause(self.failures)):
                self.stopping.wait(pause)
            else:
                self._woken.wait(self._idle_seconds)
                self._woken.clear()
