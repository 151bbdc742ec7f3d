"""The parts of recording around a real control database and a real event store, driven step by step."""

import asyncio
import json
import threading
from concurrent.futures import Future
from pathlib import Path
from uuid import UUID

from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.ingest.pool import Pool
from tallystick.ingest.recorder import Recorder
from tallystick.ingest.sequencer import Sequencer
from tallystick.ingest.shipper import Shipper
from tallystick.ingest.submission import Answer
from tallystick.ledger import log as ledger_log
from tallystick.query.scope import Scope
from tallystick.search.find import Finder
from tallystick.settings import REDACTED_KEYS
from tallystick.store.events import EventStore


class Spine:
    """Records through the recorder; ships when told to (`ship`)."""

    def __init__(self, database: Database, store: EventStore, data_dir: Path) -> None:
        self.database = database
        self.store = store
        self.pool = Pool()
        self.sequencer = Sequencer(database, self.pool, redacted_keys=frozenset(REDACTED_KEYS))
        self.shipper = Shipper(database, store)
        self.recorder = Recorder(
            database, self.pool, self.sequencer,
            redacted_keys=frozenset(REDACTED_KEYS), data_dir=data_dir, wake_shipper=lambda: None,
        )  # fmt: skip
        self.finder = Finder(database, store)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.sequencer.start()

    def close(self) -> None:
        self.sequencer.stop()
        self.finder.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def organization(self, slug: str = "acme", days: int = 3650) -> Scope:
        """A new organization with its log; its own first action is recorded before this returns."""
        now = clock.now_us()
        with self.database.write() as connection:
            made = organizations.create(connection, slug, slug.title(), "enterprise", days, now=now)
            ledger_log.create(connection, made.org_id, now=now)
        self.sequencer.tick([])
        return operator_scope(made.org_id)

    def begin(self, scope: Scope, *events: dict[str, object], key: str | None = None) -> "Future[Answer]":
        """Send one request without waiting for its answer."""
        body = json.dumps({"events": events}).encode()
        work = self.recorder.record(scope, body, "application/json", idempotency_key=key)
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def record(self, scope: Scope, *events: dict[str, object], key: str | None = None) -> Answer:
        """Send one request; its answer, or the error that the door would show."""
        return self.begin(scope, *events, key=key).result(30)

    def ship(self, steps: int = 1000) -> None:
        """Carry everything into the store."""
        for _ in range(steps):
            if not self.shipper.step():
                return
        raise AssertionError("shipping does not end")

    def indexes(self, org_id: UUID) -> list[int]:
        """All rows of the organization in the store by index, doubles included."""
        rows = self.store.rows("SELECT seq FROM events WHERE org_id = {org:UUID} ORDER BY seq", {"org": str(org_id)})
        return [row[0] for row in rows]

    def size(self, org_id: UUID) -> int:
        """How many entries the organization's log has."""
        with self.database.read() as connection:
            return ledger_log.root(connection, org_id)[0]
