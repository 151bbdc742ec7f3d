"""Whether the server can do its work: control database, event store, disk."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import anyio.to_thread
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tallystick import telemetry
from tallystick.database.engine import Database
from tallystick.ingest.recorder import LEAST_FREE_BYTES
from tallystick.store import erasing
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore

SECONDS = 3.0
# Anybody may ask, without a key: what was found is told again for so long.
REMEMBERED_SECONDS = 1.0

logger = structlog.get_logger()


class Readiness:
    """Asks each part, and waits for none longer than SECONDS. What hangs is not asked again until it answers."""

    def __init__(self, database: Database, store: EventStore, data_dir: Path) -> None:
        self._database = database
        self._store = store
        self._data_dir = data_dir
        self._asking: set[str] = set()
        self._one_at_a_time = anyio.Lock()
        self._threads = anyio.CapacityLimiter(3)
        self._found: dict[str, bool] = {}
        self._found_at = -REMEMBERED_SECONDS

    async def checks(self) -> Mapping[str, bool]:
        """`database`, `events` and `disk`, each with whether it is fine."""
        async with self._one_at_a_time:
            if time.monotonic() - self._found_at >= REMEMBERED_SECONDS:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._ask, "database", self._ask_database)
                    group.start_soon(self._ask, "events", self._ask_store)
                    group.start_soon(self._ask, "disk", self._look_at_disk)
                self._found_at = time.monotonic()
            return dict(sorted(self._found.items()))

    async def _ask(self, name: str, check: Callable[[], None]) -> None:
        self._found[name] = False
        if name in self._asking:
            return
        self._asking.add(name)

        def ask() -> bool:
            try:
                check()
            except (SQLAlchemyError, StoreError, OSError) as error:
                logger.warning("not_ready", part=name, error=str(error)[:300])
                return False
            finally:
                self._asking.discard(name)
            return True

        with anyio.move_on_after(SECONDS):
            self._found[name] = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=self._threads)

    def _ask_database(self) -> None:
        with self._database.read() as connection:
            connection.execute(text("SELECT 1"))

    def _ask_store(self) -> None:
        self._store.ping()
        telemetry.store_changes_failing.set(bool(erasing.failure_of_changes(self._store)))

    def _look_at_disk(self) -> None:
        free = shutil.disk_usage(self._data_dir).free
        if free < LEAST_FREE_BYTES:
            raise OSError(f"{free} bytes are free, {LEAST_FREE_BYTES} are needed")
