"""Unknown and mistyped API keys: counted in a metric, and named in the server's log, some lines a minute."""

import threading
from collections.abc import Callable
from typing import Literal

import structlog

from tallystick import telemetry
from tallystick.access.secret import token_digest
from tallystick.clock import SECOND_US

MINUTE_US = 60 * SECOND_US
MOST_LINES = 20  # in a minute
LONG_ENOUGH = 30  # a text of so many characters is not given away by its last four
logger = structlog.get_logger(__name__)


class UnknownKeys:
    """Notes what came as a key and is none. Thread-safe; one line a minute for each address, and MOST_LINES in all."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._minute = 0
        self._told: set[str] = set()
        self._untold = 0

    def note(self, reason: Literal["malformed", "unknown"], token: str, address: str) -> None:
        """Count it, and log it unless enough was logged in this minute. The key itself is never logged."""
        telemetry.unknown_keys_total.labels(reason).inc()
        with self._lock:
            minute = self._now() // MINUTE_US
            untold = 0
            if minute != self._minute:
                untold, self._untold, self._minute = self._untold, 0, minute
                self._told.clear()
            if address in self._told or len(self._told) >= MOST_LINES:
                self._untold += 1
                return
            self._told.add(address)
        logger.warning(
            "unknown_key", reason=reason, address=address, untold_before=untold, **_traits(token),
        )  # fmt: skip


def _traits(token: str) -> dict[str, str]:
    """What tells somebody who has the key that it is this one; nothing of a text that may be a password."""
    if len(token) < LONG_ENOUGH or not token.isascii() or not token.replace("_", "").isalnum():
        return {}
    return {"ends_with": token[-4:], "digest": token_digest(token).hex()[:12]}
