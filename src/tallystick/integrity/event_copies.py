"""Copies of events from which lost ones are restored: backups, continuous copies, bundles, stores of other nodes.

A copy is read as it is. Whoever restores from it compares each event with the log.
"""

import shutil
import zipfile
from base64 import b64decode
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

import pyarrow as pa
import structlog
import zstandard

from tallystick.backup import control_database
from tallystick.backup.create import EVENTS
from tallystick.backup.data_dir_lock import lock_data_dir
from tallystick.backup.manifest import FILE, BackupManifest, files_in, open_file, read_manifest
from tallystick.copies.batch_copies import LARGEST_FILE, decode_copies
from tallystick.copies.generations import FULL, list_generations
from tallystick.copies.place_writer import OWNER
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import FileStorage, read_small
from tallystick.destinations.local_directory import Directory
from tallystick.destinations.storage_settings import source_storage
from tallystick.errors import Conflict, NotFound, TallystickError, Unavailable
from tallystick.events.record import StoredEvent
from tallystick.integrity.other_store import read_other_store
from tallystick.integrity.verified_restore import LogName
from tallystick.journal.batches import decode_body
from tallystick.journal.missing_ranges import IndexGap
from tallystick.ledger.reduce_bundle import BundleAltered, unproven_events
from tallystick.search.paging import as_stored_event
from tallystick.settings import Settings
from tallystick.store.transfer import events_in
from tallystick.work.disk_space import DiskSpace
from tallystick.work.stop_signal import check_stop

_ZIP = b"PK"
DOWNLOAD = "restore-range.download"  # in the data directory
_JOURNALS = ("journal", "journal_tail")
logger = structlog.get_logger(__name__)


class EventCopy(Protocol):
    """A place that holds copies of events."""

    def read(self, log: LogName, gaps: Sequence[IndexGap]) -> Generator[list[StoredEvent]]:
        """Blocks of events of that log, in any order, repeated and of other indexes too. What is damaged is logged and
        left out."""


class BackupCopy:
    """A backup: the events of its event store, and those of its journal and the journal's tail."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._manifest: BackupManifest = read_manifest(root)

    def read(self, log: LogName, _gaps: Sequence[IndexGap]) -> Generator[list[StoredEvent]]:
        for file in files_in(self._manifest, f"{EVENTS}/{log.org_id}"):
            try:
                with open_file(self._root, file) as stream:
                    yield from events_in(stream)
            except (pa.ArrowException, OSError, KeyError) as error:
                _log_unreadable(self._root / file.path, error)
        for table in _JOURNALS:
            try:
                yield from self._journal(log, table)
            except (zstandard.ZstdError, OSError, ValueError, KeyError, TallystickError) as error:
                _log_unreadable(self._root / f"{control_database.FOLDER}/{table}", error)

    def _journal(self, log: LogName, table: str) -> Generator[list[StoredEvent]]:
        for row in control_database.rows_of(self._root, self._manifest, table):
            if UUID(hex=row["org_id"]) == log.org_id:
                records = decode_body(b64decode(row["body"]))
                yield [as_stored_event(index, one) for index, one in enumerate(records, row["first_index"])]


class ContinuousCopy:
    """Continuous copies: full copies, and batches of what was committed since; the newest first."""

    def __init__(self, storage: FileStorage, folder: Path) -> None:
        """`folder`: where files of a bucket are while they are read."""
        self._storage = storage
        self._folder = folder
        self._generations = list_generations(storage)[::-1]

    @property
    def has_any(self) -> bool:
        """Whether there is any full copy."""
        return any(generation.is_complete for generation in self._generations)

    def read(self, log: LogName, gaps: Sequence[IndexGap]) -> Generator[list[StoredEvent]]:
        for generation in self._generations:
            prefix = f"{generation.name}/{FULL}/"
            try:
                if generation.is_complete:
                    with self._local_copy(prefix, log) as root:
                        yield from BackupCopy(root).read(log, gaps)
            except (TallystickError, ValueError) as error:  # of a path that is none within the copy, too
                _log_unreadable(f"{self._storage.where}/{prefix}", error)
            for _at, key in generation.batches:
                try:
                    copied = decode_copies(read_small(self._storage, key, LARGEST_FILE), key)
                except (Conflict, TargetError) as error:
                    _log_unreadable(f"{self._storage.where}/{key}", error)
                    continue
                for batch in (batch for one in copied if one.org_id == log.org_id for batch in one.batches):
                    records = enumerate(decode_body(batch.body), batch.first_index)
                    yield [as_stored_event(index, record) for index, record in records]

    @contextmanager
    def _local_copy(self, prefix: str, log: LogName) -> Iterator[Path]:
        """The directory of a full copy; of a bucket only the files that hold events of this log, until the end."""
        if isinstance(self._storage, Directory):
            yield self._storage.root / prefix
            return
        local = Directory(self._folder / DOWNLOAD, DiskSpace(self._folder))
        shutil.rmtree(local.root, ignore_errors=True)  # of a process that was killed
        try:
            self._fetch(prefix, FILE, local)
            for file in read_manifest(local.root).files:
                if file.path.startswith(f"{EVENTS}/{log.org_id}/") or control_database.table_name(file) in _JOURNALS:
                    self._fetch(prefix, file.path, local)
            yield local.root
        finally:
            shutil.rmtree(local.root, ignore_errors=True)

    def _fetch(self, prefix: str, path: str, local: Directory) -> None:
        check_stop()
        with TemporaryFile(dir=self._folder) as file:
            self._storage.get(prefix + path, file)
            local.put(path, file)


class BundleCopy:
    """Bundles: of exports, or of an archive."""

    def __init__(self, files: Sequence[Path], origins: Sequence[str]) -> None:
        """`origins`: the ids in the origins of all logs of this installation."""
        self._files = {file: _origin_of(file) for file in files}
        self._origins = frozenset(origins)

    def read(self, log: LogName, _gaps: Sequence[IndexGap]) -> Generator[list[StoredEvent]]:
        for path, origin in self._files.items():
            # The origin of a log that was restarted is no log's any more.
            if origin == log.origin_id or origin not in self._origins:
                try:
                    with path.open("rb") as file:
                        yield from unproven_events(file)
                except (BundleAltered, OSError) as error:
                    _log_unreadable(path, error)


class StoreCopy:
    """The event store of another node: of its data directory, or a ClickHouse server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self, log: LogName, gaps: Sequence[IndexGap]) -> Generator[list[StoredEvent]]:
        return read_other_store(self._url, log.org_id, [(gap.first, gap.last) for gap in gaps])


@contextmanager
def open_copy(source: str, logs: Sequence[LogName], settings: Settings) -> Iterator[EventCopy]:
    """The copy at a path, or a URL of a bucket or an event store. NotFound if there is none; Conflict, SettingsError.

    `settings`: of the installation that is restored, whose event store is no copy. Unavailable if a bucket is.
    """
    own_url = settings.events_url
    with ExitStack() as held:
        path = Path(source)
        if source.startswith("s3://"):
            yield _copies_in(source_storage(source, settings), settings.data_dir)
        elif "://" in source:
            yield _other_store(source, own_url)
        elif (path / FILE).is_file():
            yield BackupCopy(path)
        elif (path / OWNER).is_file():
            yield ContinuousCopy(Directory(path), settings.data_dir)
        elif (path / EVENTS / "metadata").is_dir():  # of the engine
            copy = _other_store(f"chdb://{(path / EVENTS).absolute()}", own_url)
            held.enter_context(lock_data_dir(path))
            yield copy
        else:
            files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
            bundles = [one for one in files if _is_bundle(one)]
            if not bundles:
                raise NotFound(
                    f"{source} is no backup, no directory of continuous copies, no bundle, no directory of bundles and "
                    "no data directory of a node."
                )
            yield BundleCopy(bundles, [log.origin_id for log in logs])


def _copies_in(bucket: FileStorage, folder: Path) -> ContinuousCopy:
    """The continuous copies in a bucket; NotFound without any, Unavailable if it cannot be read."""
    try:
        copy = ContinuousCopy(bucket, folder)
    except TargetError as error:
        raise Unavailable(f"{bucket.where} cannot be read: {error.detail}") from None
    if not copy.has_any:
        raise NotFound(
            f"{bucket.where} has no continuous copies. A backup, bundles or an archive in a bucket are read from a "
            "directory: download them, and name it."
        )
    return copy


def _other_store(url: str, own_url: str) -> StoreCopy:
    if _place_of(url) == _place_of(own_url):
        raise Conflict("This is the event store that lost the events. Name a copy of it.")
    return StoreCopy(url)


def _place_of(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2], str(Path(unquote(parts.path)).resolve())


def _is_bundle(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return False
    return zipfile.is_zipfile(path) and bool(_origin_of(path))


def _origin_of(path: Path) -> str:
    """The id in the origin of a bundle's log; empty for another zip."""
    try:
        with zipfile.ZipFile(path) as bundle:
            return bundle.read("checkpoint").decode().partition("\n")[0].rpartition("/")[2]
    except (zipfile.BadZipFile, KeyError, OSError, ValueError):
        return ""


def _log_unreadable(path: Path | str, error: Exception) -> None:
    logger.error("copy_unreadable", path=str(path), error=str(error)[:300])
