"""The pool: where requests wait for the next commit; bounded."""

import threading
from collections import deque
from collections.abc import Sequence
from uuid import UUID

from tallystick.errors import Unavailable
from tallystick.ingest.submission import Submission

# One organization alone gets half of each.
MOST_EVENTS = 40_000
MOST_BYTES = 128 << 20
EVENTS_PER_TICK = 4_000


class _Queue:
    """What waits of one organization, oldest first."""

    def __init__(self) -> None:
        self.waiting: deque[Submission] = deque()
        self.events = 0
        self.bytes = 0

    def change(self, submission: Submission, sign: int) -> None:
        """Count a submission that comes (1) or goes (-1)."""
        self.events += sign * len(submission.prepared)
        self.bytes += sign * submission.size


class Pool:
    """Handlers join it, the sequencer empties it. When it is full, `join` refuses with 503.

    An organization gets no more than it leaves to the others, and each gives its oldest request in turn: whatever one
    of them sends, another's next request is among the next ones to be committed.
    """

    def __init__(self, *, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._queues: dict[UUID, _Queue] = {}  # of the organizations that wait, in the order of their turns
        self._all = _Queue()  # counts all of them
        self._poked = False
        self._closed = False
        self._changed = threading.Condition()

    def join(self, submission: Submission) -> None:
        """Add a submission for the next commit. While anything is left, an organization's first one always fits."""
        with self._changed:
            if self._closed:
                raise Unavailable("The server is shutting down. Send the same request again.", code="stopping")
            if self._is_full(self._queues.get(submission.org_id), submission):
                raise Unavailable("The server is overloaded. Send the request again later.", code="overloaded")
            mine = self._queues.setdefault(submission.org_id, _Queue())
            mine.waiting.append(submission)
            for queue in (mine, self._all):
                queue.change(submission, 1)
            self._changed.notify()

    def _is_full(self, mine: _Queue | None, submission: Submission) -> bool:
        """Whether there is no place for the submission of an organization of which this waits."""
        events_left, bytes_left = self._most_events - self._all.events, self._most_bytes - self._all.bytes
        if mine is None:
            return events_left <= 0 or bytes_left <= 0
        count, size = len(submission.prepared), submission.size
        return events_left - count < mine.events + count or bytes_left - size < mine.bytes + size

    def is_waiting(self) -> bool:
        """Whether anything waits; a hint, read without the lock."""
        return bool(self._queues)

    def poke(self) -> None:
        """Wake the sequencer: own events wait in the outbox."""
        with self._changed:
            self._poked = True
            self._changed.notify()

    def take(self, seconds: float, most_events: int = EVENTS_PER_TICK) -> tuple[Sequence[Submission], bool]:
        """The submissions to commit next, and whether `poke` was called; waits at most `seconds` for either.

        They hold at most `most_events` events, or are one submission.
        """
        with self._changed:
            if not (self._queues or self._poked or self._closed):
                self._changed.wait(seconds)
            taken: list[Submission] = []
            held = 0
            while self._queues:
                org_id, queue = next(iter(self._queues.items()))
                submission = queue.waiting[0]
                held += len(submission.prepared)
                if taken and held > most_events:
                    break
                taken.append(queue.waiting.popleft())
                for one in (queue, self._all):
                    one.change(submission, -1)
                del self._queues[org_id]  # its turn is over: it goes to the end
                if queue.waiting:
                    self._queues[org_id] = queue
            poked, self._poked = self._poked, False
            return taken, poked

    def close(self) -> None:
        """Refuse further submissions; those that wait are still committed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
