"""The pool: where requests wait for the next commit; bounded."""

import threading
from collections import deque
from collections.abc import Sequence

from tallystick.errors import Unavailable
from tallystick.ingest.submission import Submission

MOST_EVENTS = 20_000
MOST_BYTES = 64 << 20
EVENTS_PER_TICK = 4_000


class Pool:
    """Handlers join it, the sequencer empties it, oldest first. When it is full, `join` refuses with 503."""

    def __init__(self, *, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._waiting: deque[Submission] = deque()
        self._events = 0
        self._bytes = 0
        self._poked = False
        self._closed = False
        self._changed = threading.Condition()

    def join(self, submission: Submission) -> None:
        """Add a submission for the next commit. A single request always fits into an empty pool."""
        count = len(submission.prepared)
        with self._changed:
            if self._closed:
                raise Unavailable("The server is shutting down. Send the same request again.", code="stopping")
            full = self._events + count > self._most_events or self._bytes + submission.size > self._most_bytes
            if full and self._waiting:
                raise Unavailable("The server is overloaded. Send the request again later.", code="overloaded")
            self._waiting.append(submission)
            self._events += count
            self._bytes += submission.size
            self._changed.notify()

    def is_waiting(self) -> bool:
        """Whether anything waits; a hint, read without the lock."""
        return bool(self._waiting)

    def poke(self) -> None:
        """Wake the sequencer: own events wait in the outbox."""
        with self._changed:
            self._poked = True
            self._changed.notify()

    def take(self, seconds: float) -> tuple[Sequence[Submission], bool]:
        """The submissions to commit next, and whether `poke` was called; waits at most `seconds` for either."""
        with self._changed:
            if not (self._waiting or self._poked or self._closed):
                self._changed.wait(seconds)
            taken: list[Submission] = []
            held = 0
            while self._waiting and (not taken or held + len(self._waiting[0].prepared) <= EVENTS_PER_TICK):
                submission = self._waiting.popleft()
                taken.append(submission)
                held += len(submission.prepared)
                self._bytes -= submission.size
            self._events -= held
            poked, self._poked = self._poked, False
            return taken, poked

    def close(self) -> None:
        """Refuse further submissions; those that wait are still committed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
