"""Keeps rule detectors between batches, so that a batch costs only its own events."""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from tallystick.alerts.detectors import Detector

MOST_HITS = 200_000  # of all organizations
MOST_ORGANIZATION_HITS = 50_000
Detectors = dict[tuple[UUID, int], Detector]
"""Detectors by rule id and rule version."""


@dataclass(slots=True)
class _CacheEntry:
    next_index: int
    detectors: Detectors
    hits: int  # processed or loaded since the entry was first cached; an upper bound of what the detectors hold


class DetectorCache:
    """Caches the detectors of each organization at the position that they have reached. Not thread-safe.

    `take` removes an entry and `keep` puts it back once the results are committed, so that a failed batch leaves
    nothing behind and reloads its state from the database. An entry whose position differs from the one asked for is
    discarded: another process evaluated the events in between.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[UUID, _CacheEntry] = OrderedDict()
        self._hits = 0

    def take(self, org_id: UUID, next_index: int) -> tuple[Detectors, int]:
        """Removes and returns the detectors that have reached `next_index`, and their number of hits."""
        entry = self._entries.pop(org_id, None)
        if entry is None:
            return {}, 0
        self._hits -= entry.hits
        return (entry.detectors, entry.hits) if entry.next_index == next_index else ({}, 0)

    def keep(self, org_id: UUID, next_index: int, detectors: Detectors, hits: int) -> None:
        """Caches the detectors; skips oversized ones and evicts the least recently used."""
        if hits > MOST_ORGANIZATION_HITS:
            return
        self._entries[org_id] = _CacheEntry(next_index, detectors, hits)
        self._hits += hits
        while self._hits > MOST_HITS:
            _, oldest = self._entries.popitem(last=False)
            self._hits -= oldest.hits
