"""What fails for one rests for a while, so that it holds up nobody else."""

from collections.abc import Callable, Hashable
from typing import TypeVar

import structlog

from tallystick.clock import SECOND_US
from tallystick.work.background import EXPECTED

T = TypeVar("T")
logger = structlog.get_logger(__name__)


class Pauses:
    """Who rests, until when. Of one thread."""

    def __init__(self, name: str, *, seconds: int) -> None:
        self._failure_event = f"{name}_failed_for_one"
        self._seconds = seconds
        self._until: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._until)

    def rests(self, who: Hashable, now: int) -> bool:
        """Whether it failed a moment ago; `now` in microseconds. A clock that was set back ends a rest."""
        until = self._until.get(who, 0)
        if until and not 0 < until - now <= self._seconds * SECOND_US:
            del self._until[who]
            return False
        return bool(until)

    def attempt(self, who: Hashable, now: int, work: Callable[[], T]) -> T | None:
        """The work for one; None where it failed, which is logged as `<name>_failed_for_one`."""
        try:
            done = work()
        except EXPECTED as error:
            logger.warning(self._failure_event, who=str(who), error=str(error)[:500])
        except Exception:
            logger.exception(self._failure_event, who=str(who))
        else:
            self._until.pop(who, None)
            return done
        self._until[who] = now + self._seconds * SECOND_US
        return None
