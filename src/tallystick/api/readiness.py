"""Readiness of the server: control database, event store, missing events and disk."""

import time
from collections.abc import Callable, Mapping

import anyio
import anyio.to_thread
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tallystick import telemetry
from tallystick.database.engine import Database
from tallystick.integrity.damaged_parts import count_damaged
from tallystick.journal.missing_ranges import count_missing
from tallystick.store import erasing
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.work.disk_space import DiskSpace

SECONDS = 3.0
# The endpoint takes no key: results are cached for this long.
CACHE_SECONDS = 1.0

logger = structlog.get_logger()


class Readiness:
    """Checks each part for at most SECONDS. A check that hangs is not started again until it ends."""

    def __init__(self, database: Database, store: EventStore, disk: DiskSpace) -> None:
        self._database = database
        self._store = store
        self._disk = disk
        self._running: set[str] = set()
        self._lock = anyio.Lock()
        self._threads = anyio.CapacityLimiter(4)
        self._results: dict[str, bool] = {}
        self._checked_at = -CACHE_SECONDS

    async def checks(self) -> Mapping[str, bool]:
        """The result of each check: `database`, `disk`, `events` and `events_complete`."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= CACHE_SECONDS:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._run, "database", self._check_database)
                    group.start_soon(self._run, "events", self._check_store)
                    group.start_soon(self._run, "events_complete", self._check_missing)
                    group.start_soon(self._run, "disk", self._check_disk)
                self._checked_at = time.monotonic()
            return dict(sorted(self._results.items()))

    async def _run(self, name: str, check: Callable[[], None]) -> None:
        self._results[name] = False
        if name in self._running:
            return
        self._running.add(name)

        def passes() -> bool:
            try:
                check()
            except (SQLAlchemyError, StoreError, OSError) as error:
                logger.warning("not_ready", part=name, error=str(error)[:300])
                return False
            finally:
                self._running.discard(name)
            return True

        with anyio.move_on_after(SECONDS):
            self._results[name] = await anyio.to_thread.run_sync(passes, abandon_on_cancel=True, limiter=self._threads)

    def _check_database(self) -> None:
        with self._database.read() as connection:
            connection.execute(text("SELECT 1"))

    def _check_store(self) -> None:
        self._store.ping()
        with self._database.read() as connection:
            if damaged := count_damaged(connection):
                raise StoreError(f"{damaged} data parts are damaged")
        telemetry.store_changes_failing.set(bool(erasing.failure_of_changes(self._store)))

    def _check_missing(self) -> None:
        with self._database.read() as connection:
            if missing := sum(count_missing(connection).values()):
                raise StoreError(f"{missing} events are missing")

    def _check_disk(self) -> None:
        if not self._disk.may_record():
            raise OSError(f"{self._disk.free()} bytes are free; {self._disk.least_for_recording} are required")
