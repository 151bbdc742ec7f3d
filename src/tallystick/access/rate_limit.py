"""Rate limit of requests per key, counted in this process: one token bucket for each key."""

import math
import threading
import time
from collections.abc import Callable, Hashable

from tallystick.errors import TooMany

_MOST_BUCKETS = 10_000


class RateLimit:
    """`per_second` requests on average, `burst` at once (default: twice that); 0 per second means no limit."""

    def __init__(
        self,
        per_second: float,
        burst: float | None = None,
        *,
        seconds: Callable[[], float] = time.monotonic,
        detail: str = "This API key exceeds its rate limit. Send more events in each request, or wait.",
    ) -> None:
        self._detail = detail
        self._rate = per_second
        self._burst = max(1.0, 2 * per_second if burst is None else burst)
        self._seconds = seconds
        self._buckets: dict[Hashable, tuple[float, float]] = {}  # what is left, and when that was so
        self._lock = threading.Lock()

    def take(self, who: Hashable) -> None:
        """Count one request; TooMany (`rate_limited`) with the seconds to wait when there were too many."""
        if self._rate <= 0:
            return
        with self._lock:
            now = self._seconds()
            left, since = self._buckets.get(who, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._rate)
            allowed = left >= 1
            self._buckets[who] = (left - 1 if allowed else left, now)
            if len(self._buckets) > _MOST_BUCKETS:
                self._drop_full(now)
        if not allowed:
            raise TooMany(
                self._detail,
                retry_after=max(1, math.ceil((1 - left) / self._rate)),
            )

    def _drop_full(self, now: float) -> None:
        """Remove buckets that are full again: they carry no information. If none is, clear all rather than grow."""
        self._buckets = {
            who: (left, since)
            for who, (left, since) in self._buckets.items()
            if left + (now - since) * self._rate < self._burst
        }
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.clear()
