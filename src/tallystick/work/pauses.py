"""Pauses: a work item that failed is skipped for a while, so that it delays no other item."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import structlog

from tallystick import telemetry
from tallystick.clock import SECOND_US
from tallystick.work.background import EXPECTED
from tallystick.work.stop_signal import is_stopping

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=Hashable)
logger = structlog.get_logger(__name__)


class Pauses(Generic[ItemT]):
    """Which items (organizations, exports, …) are paused, and until when. Not thread-safe: one per worker thread."""

    def __init__(self, name: str, *, seconds: int) -> None:
        self._name = name
        self._failure_event = f"{name}_failed_for_one"
        self._seconds = seconds
        self._until: dict[ItemT, tuple[int, int]] = {}  # item: paused since, until (microseconds)

    def __len__(self) -> int:
        return len(self._until)

    def pause(self, item: ItemT, now: int, *, seconds: int | None = None) -> None:
        """Skip the item from `now` (microseconds) on for `seconds`, by default those of the constructor."""
        self._until[item] = (now, now + (self._seconds if seconds is None else seconds) * SECOND_US)

    def is_paused(self, item: ItemT, now: int) -> bool:
        """Whether the item is paused at `now` (microseconds). A clock that was set back ends the pause."""
        since, until = self._until.get(item, (0, 0))
        if since <= now < until:
            return True
        self._until.pop(item, None)
        return False

    def paused(self, now: int) -> set[ItemT]:
        """All items that are paused at `now` (microseconds)."""
        return {item for item in list(self._until) if self.is_paused(item, now)}

    def attempt(self, item: ItemT, now: int, work: Callable[[], T]) -> T | None:
        """The result of `work`; None if it failed: the item is paused, and `<name>_failed_for_one` logged.

        While the server stops the error is raised.
        """
        try:
            done = work()
        except Exception as error:
            if is_stopping():  # it was broken off, and did not fail
                raise
            self.fail(item, now, error)
            return None
        self._until.pop(item, None)
        return done

    def fail(self, item: ItemT, now: int, error: Exception, *, seconds: int | None = None) -> None:
        """Log the error of an item as `<name>_failed_for_one`, and pause the item as `pause` does."""
        telemetry.background_failures_total.labels(self._name).inc()
        if isinstance(error, EXPECTED):
            logger.warning(self._failure_event, who=str(item), error=str(error)[:500])
        else:
            logger.error(self._failure_event, who=str(item), exc_info=error)
        self.pause(item, now, seconds=seconds)
