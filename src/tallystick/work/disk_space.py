"""The free space on the disk of the data directory: what work in the background leaves to recording."""

import shutil
import time
from pathlib import Path

from tallystick.errors import Unavailable

LEAST_FREE_BYTES = 1 << 30
RECORDING_SHARE = 4  # recording goes on until a quarter of the least free space is left
CHECK_SECONDS = 1.0


class DiskSpace:
    """The free space of the disk of a directory, measured at most once a second.

    Below `least_bytes` the event store gets no new events and merges nothing, and no file of an export, a backup or an
    archive is written; recording, which writes to the journal alone, goes on until a quarter of that is left.
    """

    def __init__(self, directory: Path, least_bytes: int = LEAST_FREE_BYTES) -> None:
        self._directory = directory
        self.least_bytes = least_bytes
        self.least_for_recording = least_bytes // RECORDING_SHARE
        self._measured_at = -CHECK_SECONDS
        self._free = 0

    def free(self) -> int:
        """The number of free bytes."""
        now = time.monotonic()
        if now - self._measured_at >= CHECK_SECONDS:
            self._free = shutil.disk_usage(self._directory).free
            self._measured_at = now  # last: another thread that reads this takes the number as it is
        return self._free

    def may_record(self) -> bool:
        """Whether there is space for events that are sent."""
        return self.free() >= self.least_for_recording

    def may_work(self) -> bool:
        """Whether there is space for work in the background."""
        return self.free() >= self.least_bytes

    def check(self, disk: str = "the server's disk") -> None:
        """Raise Unavailable (`no_room`) unless there is space for work in the background; `disk` names it."""
        if not self.may_work():
            raise Unavailable(
                f"Less than {self.least_bytes >> 20:,} MiB are free on {disk}. The operator must free up space.",
                code="no_room",
            )
