"""A background worker that checks the data parts of merges in the embedded event store, and puts their sources back."""

import math
import time
from collections.abc import Mapping
from pathlib import Path

from tallystick.database.engine import Database
from tallystick.erasure.records import ACTION
from tallystick.erasure.replay import replay_log
from tallystick.integrity.verified_restore import RestoreLease
from tallystick.store import erasing
from tallystick.store.events import EventStore
from tallystick.store.merged_parts import MergedParts, put_back, waiting_sources
from tallystick.store.source_parts import PartName
from tallystick.work import leases
from tallystick.work.background import Background
from tallystick.work.disk_space import DiskSpace

ROUND_SECONDS = 2.0
LONGEST_PAUSE = 20.0
# Longer than between two measurements of the disk by the shipper, which is idle for half a second at most.
OVERLAP_SECONDS = 1.0


class MergedPartCheck(Background):
    """Finds a part that a merge wrote to a full disk before the engine removes the parts that it was made of.

    A ClickHouse server does not give its files: there, the numbers of events say what was lost.
    """

    def __init__(self, database: Database, store: EventStore, disk: DiskSpace) -> None:
        super().__init__("merged_parts", idle_seconds=ROUND_SECONDS)
        self._database = database
        self._store = store
        self._disk = disk
        self._parts = MergedParts(store)
        self._began_at = -math.inf

    def retry_pause(self, failures: int) -> float:
        return min(ROUND_SECONDS * failures, LONGEST_PAUSE)

    def step(self) -> bool:
        """Check the new parts; always False: nothing is left to do."""
        if not self._store.embedded:
            return False
        now = time.monotonic()
        was_short = self._began_at == -math.inf or self._disk.was_short(self._began_at - OVERLAP_SECONDS)
        self._parts.find_damaged(was_short=was_short)
        self._began_at = now
        for part, sources in waiting_sources(self._store).items():
            if self._put_back(part, sources):
                self._parts.damaged.discard(part)
        for part in self._parts.damaged:
            self._store.damage.setdefault(part, "a merge or a change of rows wrote damaged files")
        return False

    def _put_back(self, part: str, sources: Mapping[PartName, Path]) -> bool:
        """Put the sources of a damaged part back; False if that has to wait: for space, or for a deletion to end."""
        if self._store.guard.refusal or not self._store.guard.has_space():
            return False
        with RestoreLease(self._database) as lease:
            with self._database.write() as connection:
                if not lease.hold(connection) or leases.deletions_have_begun(connection):
                    return False
            put_back(self._store, part, sources)
        for org_id in erasing.organizations_with(self._store, ACTION):  # a source may be from before an erasure
            replay_log(self._database, self._store, org_id)
        return True
