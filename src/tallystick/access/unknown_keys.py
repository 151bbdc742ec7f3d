"""Unknown and mistyped API keys: counted in a metric, and logged, at most MOST_LINES a minute."""

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
    """Notes keys that were refused, with one line a minute for each address. Thread-safe."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._minute = 0
        self._logged: set[str] = set()
        self._unlogged = 0

    def note(self, reason: Literal["malformed", "unknown"], token: str, address: str) -> None:
        """Count a refused key, and log it unless enough was logged in this minute. The key itself is never logged."""
        telemetry.unknown_keys_total.labels(reason).inc()
        with self._lock:
            minute = self._now() // MINUTE_US
            unlogged = 0
            if minute != self._minute:
                unlogged, self._unlogged, self._minute = self._unlogged, 0, minute
                self._logged.clear()
            if address in self._logged or len(self._logged) >= MOST_LINES:
                self._unlogged += 1
                return
            self._logged.add(address)
        logger.warning(
            "unknown_key", reason=reason, address=address, unlogged_before=unlogged, **_traits(token),
        )  # fmt: skip


def _traits(token: str) -> dict[str, str]:
    """By what somebody who has the key recognizes it; nothing of a text that may be a password."""
    if len(token) < LONG_ENOUGH or not token.isascii() or not token.replace("_", "").isalnum():
        return {}
    return {"ends_with": token[-4:], "digest": token_digest(token).hex()[:12]}
