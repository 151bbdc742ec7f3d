"""The free space on the disks of the installation: what work in the background leaves to recording."""

import math
import shutil
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy.engine import make_url

from tallystick.errors import Unavailable
from tallystick.settings import Settings

LEAST_FREE_BYTES = 1 << 30
RECORDING_SHARE = 4  # recording goes on until a quarter of the least free space is left
CHECK_SECONDS = 0.1


class DiskSpace:
    """The free space of the disk of a directory, or of the fullest of several, measured at most ten times a second.

    Below `least_bytes` the event store gets no new events and merges nothing, and no file of an export, a backup or an
    archive is written; recording, which writes to the journal alone, goes on until a quarter of that is left.
    """

    def __init__(self, directory: Path, least_bytes: int = LEAST_FREE_BYTES, *others: Path) -> None:
        """`others`: further files and directories, which may be on other disks and need not exist yet."""
        self._paths = (directory, *others)
        self.least_bytes = least_bytes
        self.least_for_recording = least_bytes // RECORDING_SHARE
        self._measured_at = -CHECK_SECONDS
        self._free = 0
        self._short_at = -math.inf
        self.fullest = directory

    def free(self) -> int:
        """The number of free bytes."""
        now = time.monotonic()
        if now - self._measured_at >= CHECK_SECONDS:
            self._free, self.fullest = min((_free_bytes(one), one) for one in self._paths)
            if self._free < self.least_bytes:
                self._short_at = now
            self._measured_at = now  # last: another thread that reads this takes the number as it is
        return self._free

    def was_short(self, since: float) -> bool:
        """Whether a measurement since this time (`time.monotonic()`) found too little for work in the background."""
        self.free()
        return self._short_at >= since

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


def recording_disk(settings: Settings) -> DiskSpace:
    """The space of the data directory and of a SQLite control database elsewhere."""
    database_file, _ = local_paths(settings)
    return _disk_of(settings, database_file)


def store_disk(settings: Settings) -> DiskSpace:
    """The space of all that `recording_disk` measures, and of an embedded event store."""
    return _disk_of(settings, *local_paths(settings))


def local_paths(settings: Settings) -> tuple[Path | None, Path | None]:
    """The SQLite file and the folder of the embedded event store; None for one on a server."""
    url, events = make_url(settings.database_url), urlsplit(settings.events_url)
    file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
    return file, Path(unquote(events.path)) if events.scheme == "chdb" else None


def _disk_of(settings: Settings, *paths: Path | None) -> DiskSpace:
    others = [path for path in paths if path is not None]
    return DiskSpace(settings.data_dir, settings.least_free_mb << 20, *others)


def _free_bytes(path: Path) -> int:
    """Of the disk of the path, or of its closest parent that exists."""
    while True:
        try:
            return shutil.disk_usage(path).free
        except FileNotFoundError:
            if path == path.parent:
                raise
            path = path.parent
