"""An installation that is copied, lost, and restored beside the old place, driven step by step."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick import clock
from tallystick.access.audit import Caller
from tallystick.access.scopes import operator_scope
from tallystick.copies.copier import Copier
from tallystick.copies.place_writer import OtherWriter
from tallystick.copies.restore import RestoredCopies, restore_copies
from tallystick.database.engine import Database
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import Checksum, FileStorage
from tallystick.destinations.local_directory import Directory
from tallystick.events.record import StoredEvent
from tallystick.ingest.reconcile import contradictions
from tallystick.ledger import log as ledger_log
from tallystick.ledger.prover import entry_of_event
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.scan import in_order_of_index
from tallystick.settings import Settings
from tallystick.store import transfer
from tallystick.store.events import EventStore
from tallystick.work.disk_space import DiskSpace
from tests.fixtures.spine import Spine

SECRET = "a secret that is long enough for this"


def unseen(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


class BrokenStorage:
    """A directory that can fail, and counts what is put."""

    def __init__(self, root: Path) -> None:
        self.kept = Directory(root)
        self.fails = False
        self.put_keys: list[str] = []

    @property
    def where(self) -> str:
        return self.kept.where

    def put(self, key: str, file: io.BufferedIOBase) -> Checksum:
        if self.fails:
            raise TargetError("The S3 server cannot be reached.")
        self.put_keys.append(key)
        return self.kept.put(key, file)  # type: ignore[arg-type]

    def get(self, key: str, file: io.BufferedIOBase) -> None:
        self.kept.get(key, file)  # type: ignore[arg-type]

    def keys(self, prefix: str) -> Iterator[str]:
        return self.kept.keys(prefix)

    def delete(self, key: str) -> None:
        self.kept.delete(key)

    def delete_earlier_versions(self, key: str) -> None:
        self.kept.delete_earlier_versions(key)

    def delete_interrupted_uploads(self, prefix: str, *, before: float | None = None) -> None:
        self.kept.delete_interrupted_uploads(prefix, before=before)


class Installation:
    """A spine whose copies are made by `copy`."""

    def __init__(self, spine: Spine, events_url: str, home: Path, storage: FileStorage | None = None) -> None:
        self.spine = spine
        self.events_url = events_url
        self.home = home
        self.storage = storage or Directory(home / "copies")
        self.copier = self.new_copier()

    def new_copier(self) -> Copier:
        """A copier as after the start of the server."""
        spine = self.spine
        return Copier(spine.database, spine.store, self.storage, self.home, DiskSpace(self.home, 0), seconds=10, days=7)

    def begin(self) -> Scope:
        """An organization, which the first full copy has in its event store."""
        scope = self.spine.organization("acme")
        self.spine.ship()
        self.copy()
        return scope

    def copier_of(self, there: "Restored") -> Copier:
        """The copier of a restored server, which goes on in the same place once that of the lost one is silent."""
        disk = DiskSpace(self.home, 0)
        made = Copier(there.database, there.store, self.storage, there.settings.data_dir, disk, seconds=10, days=7)
        with pytest.raises(OtherWriter, match="goes on there when"):
            made.step()
        made._writer._seen_at = float("-inf")
        return made

    def copy(self, *, snapshot: bool = False, later: int = 0) -> None:
        """One round; with `snapshot` the control database is copied too."""
        if snapshot:
            self.copier._snapshot_due_at = 0.0
        self.copier.step(clock.now_us() + later)

    def files(self, kind: str) -> list[str]:
        """The keys of the copies that contain this text."""
        return [key for key in self.storage.keys("") if kind in key]

    def lose(self, secret: str = SECRET) -> Settings:
        """Lose everything; the settings of another data directory, which is empty."""
        transfer.clear(self.spine.store)
        target = self.home / "restored"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        environ = {"DATA_DIR": str(target), "EVENTS_URL": self.events_url, "SECRET_KEY": secret}
        return Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})

    @contextmanager
    def restored(
        self, at: int | None = None, *, marks: Path | None = None, secret: str = SECRET
    ) -> Iterator["Restored"]:
        """Lose everything, and restore it into another data directory and a new SQLite file."""
        settings = self.lose(secret)
        if marks is not None:
            shutil.copy(marks, settings.data_dir)
        done = restore_copies(settings, self.storage, at, "again", Caller("cli"), unseen)
        database = Database(settings.database_url)
        try:
            yield Restored(settings, database, self.spine.store, done)
        finally:
            database.close()


class Restored:
    """What was restored."""

    def __init__(self, settings: Settings, database: Database, store: EventStore, done: RestoredCopies) -> None:
        self.settings = settings
        self.database = database
        self.store = store
        self.done = done

    def log(self, scope: Scope) -> ledger_log.Log:
        """The organization's log; nothing contradicts itself."""
        with self.database.read() as connection:
            ((_edge, problem),) = contradictions(connection, [scope.org_id])
            assert problem is None
            return ledger_log.read(connection, scope.org_id)

    def trail(self, scope: Scope) -> list[StoredEvent]:
        return trail(self.database, self.store, scope)


def trail(database: Database, store: EventStore, scope: Scope) -> list[StoredEvent]:
    """Every event that can be read, in the order of indexes."""
    with database.read() as connection:
        size = ledger_log.read(connection, scope.org_id).size
    blocks = in_order_of_index(database, store, operator_scope(scope.org_id), Query(), 0, size)
    return [event for block in blocks for event in block]


def entries(events: list[StoredEvent]) -> list[tuple[int, bytes]]:
    """The index and the log entry of each event: equal for equal parts."""
    return [(event.index, entry_of_event(event)) for event in events]
