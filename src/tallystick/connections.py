"""The connections of a server process to its control database and its event store."""

from tallystick.backup.create import expected_events
from tallystick.database.engine import Database
from tallystick.database.postgresql import Patience
from tallystick.exports.exporter import MAX_OPEN
from tallystick.ingest.store_identity import StoreIdentity
from tallystick.search.find import COUNT_WORKERS
from tallystick.settings import Settings
from tallystick.store.clients import Bounds
from tallystick.store.events import EventStore
from tallystick.work.request_pools import SHORT_THREADS

RECORDING_THREADS = 4
LIVE_THREADS = 2
BACKGROUND_CLIENTS = 3 + MAX_OPEN  # an export that is begun holds one
# How long PostgreSQL is waited for, in seconds. Recording waits shortest: senders try again, and their events must not
# pile up. Background work may read much with one statement, and tries again soon where a row is locked. A transaction
# in which nothing happens is that of a server that stands still: it must not keep the rows that it has locked.
RECORDING = Patience(answer=10, lock=3, idle=30)
REQUESTS = Patience(answer=30, lock=10, idle=60)
BACKGROUND = Patience(answer=600, lock=1, idle=300)


class Connections:
    """The control database and the event store, with connections of its own for each kind of work.

    So no work waits for a connection or a thread that other work holds: neither recording for searches, nor searches
    for exports. Connections are made when they are needed.
    """

    def __init__(self, settings: Settings) -> None:
        url = settings.database_url
        self.requests = Database(url, pool_size=12, threads=SHORT_THREADS, patience=REQUESTS)
        self.recording = Database(url, pool_size=8, threads=RECORDING_THREADS, patience=RECORDING, precedence=True)
        self.background = Database(url, pool_size=20, patience=BACKGROUND)
        self.live = Database(url, pool_size=LIVE_THREADS, threads=LIVE_THREADS, patience=REQUESTS)
        bounds = Bounds(
            # Each search may count beside it.
            clients=settings.events_clients + COUNT_WORKERS,
            threads=settings.events_threads,
            memory_mb=settings.events_memory_mb,
            cache_mb=settings.events_cache_mb,
        )
        self.store = EventStore(settings.events_url, bounds)
        self.background_store = self.store.with_readers(BACKGROUND_CLIENTS)
        self.live_store = self.store.with_readers(LIVE_THREADS)
        self.store_identity = StoreIdentity(self.background, self.background_store, settings.data_dir, expected_events)
        self.probe_store = self.store.with_readers(1)
        self.rebuild_store = self.store.with_readers(1, any_version=True)

    @property
    def databases(self) -> dict[str, Database]:
        """The control database by the kind of work."""
        return {
            "requests": self.requests, "recording": self.recording, "background": self.background, "live": self.live
        }  # fmt: skip

    @property
    def pools(self) -> dict[str, Database | EventStore]:
        """What holds connections, by the names that metrics have for it."""
        stores = {"requests": self.store, "background": self.background_store, "live": self.live_store}
        return {f"database_{name}": database for name, database in self.databases.items()} | {
            f"store_{name}": store for name, store in stores.items()
        }

    def close(self) -> None:
        """Close all of them."""
        for store in (self.rebuild_store, self.probe_store, self.live_store, self.background_store, self.store):
            store.close()
        for database in self.databases.values():
            database.close()
