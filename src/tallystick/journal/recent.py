"""Recent batches: this process's latest commits in memory, so that readers right behind need not ask a database."""

import threading
from collections import OrderedDict
from uuid import UUID

from tallystick.journal.batches import Batch

MOST_BYTES = 48 << 20
"""Of records as they are written down, which is how they are kept; some seconds of a busy server."""


class Recent:
    """The latest batches of this process. Thread-safe. Only a copy: journal and store hold all of them."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._room = most_bytes
        self._lock = threading.Lock()
        self._all: OrderedDict[tuple[UUID, int], int] = OrderedDict()  # oldest first; their bytes
        self._of: dict[UUID, OrderedDict[int, Batch]] = {}  # by the index after their last

    def put(self, batch: Batch, size: int) -> None:
        """Add a committed batch of `size` bytes; the oldest of all organizations make room."""
        with self._lock:
            self._all[batch.org_id, batch.end] = size
            self._of.setdefault(batch.org_id, OrderedDict())[batch.end] = batch
            self._room -= size
            while self._room < 0:
                self._drop(*next(iter(self._all)))

    def read(self, org_id: UUID, first: int, *, most: int) -> list[Batch]:
        """The consecutive batches from the one that holds index `first`, at most about `most` events; or none."""
        found: list[Batch] = []
        held = 0
        with self._lock:
            for batch in self._of.get(org_id, {}).values():
                if batch.end <= first:
                    continue
                if batch.first > (found[-1].end if found else first):
                    break  # another process committed what is between
                found.append(batch)
                held += len(batch.records)
                if held >= most:
                    break
        return found

    def forget(self, org_id: UUID) -> None:
        """Drop an organization's batches, whose events may have been changed (erased) since."""
        with self._lock:
            for end in list(self._of.get(org_id, ())):
                self._drop(org_id, end)

    def _drop(self, org_id: UUID, end: int) -> None:
        self._room += self._all.pop((org_id, end))
        mine = self._of[org_id]
        del mine[end]
        if not mine:
            del self._of[org_id]
