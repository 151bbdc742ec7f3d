"""A full copy: a backup that is uploaded file by file, while what is new already goes into its generation.

Batches that are committed meanwhile go into the generation before, if it can go on, and into the new one. So a restore
from the new one needs nothing else, and the journal and its tail have to reach back to the last round only, however
long the full copy takes.
"""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from tallystick.backup.create import CopyWatch, copy_databases, deletions_paused
from tallystick.backup.manifest import FILE, BackupManifest, FileEntry, write_manifest
from tallystick.copies.generations import FULL, generation_name
from tallystick.database.engine import Database
from tallystick.destinations.file_storage import FileStorage
from tallystick.store.events import EventStore


class FullCopy:
    """A full copy under way. `generations`: names of those into which new batches and snapshots go meanwhile."""

    def __init__(
        self, storage: FileStorage, root: Path, number: int, writer: str, previous: str, between: Callable[[], None]
    ) -> None:
        """`root`: a new directory for its files. `previous`: the generation that goes on meanwhile; empty without one.

        `between` is called often; an exception that it raises ends the copy.
        """
        self._storage = storage
        self._root = root
        self._number = number
        self._writer = writer
        self._between = between
        self.has_previous = previous != ""
        self.generations = [previous] if previous else []
        self.name = ""
        self.taken_at = 0

    def make(self, database: Database, store: EventStore) -> BackupManifest:
        """Copy both databases; on return the full copy is complete in the place."""
        watch = CopyWatch(lambda _done, _total: None, self._between, self._put, ("journal_tail",), self._begin)
        backup_id = uuid4()
        with deletions_paused(database, backup_id):
            manifest = copy_databases(database, store, self._root, backup_id, watch)
            write_manifest(self._root, manifest)
            self._put(FileEntry(FILE, 0, 0, ""))
        return manifest

    def _begin(self, taken_at: int) -> None:
        """Take the name: the moment that is copied is known, and nothing was uploaded."""
        self.taken_at = taken_at
        self.name = generation_name(self._number, taken_at, self._writer)
        self.generations.append(self.name)

    def _put(self, file: FileEntry) -> None:
        path = self._root / file.path
        self._between()
        with path.open("rb") as content:
            self._storage.put(f"{self.name}/{FULL}/{file.path}", content)
        path.unlink()
        self._between()
