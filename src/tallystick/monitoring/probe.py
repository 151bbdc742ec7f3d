"""A probe: a worker that asks one part of the installation on a timer, and may wait for it alone."""

import time
from abc import abstractmethod

from tallystick.work.background import Background

INTERVAL_SECONDS = 5.0
PATIENCE_SECONDS = 10.0


class Probe(Background):
    """Asks its part every `INTERVAL_SECONDS`. Errors are logged as `<name>_failed`."""

    def __init__(self, name: str) -> None:
        super().__init__(name, idle_seconds=INTERVAL_SECONDS)
        self._has_answered = False

    @abstractmethod
    def ask(self) -> None:
        """Measure; raises what the part raises."""

    def step(self) -> bool:
        """Ask once; always False."""
        try:
            self.ask()
        except Exception:
            self._has_answered = False
            raise
        self._has_answered = True
        return False

    def is_answering(self) -> bool:
        """Whether the last question was answered, and the one under way is not older than `PATIENCE_SECONDS`."""
        waits = 0.0 if self.step_began_at is None else time.monotonic() - self.step_began_at
        return self._has_answered and waits < PATIENCE_SECONDS
