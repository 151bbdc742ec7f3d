"""Restore of a backup: first its files are checked, then the events are filled in, then the control database.

A marker file in the data directory says that a restore has started. While it exists no server starts on the directory,
and the same command may overwrite what the interrupted restore wrote; nothing else is ever overwritten.

The order makes every crash recoverable. The marker is on disk before anything changes. Events come first: a store
without a control database serves nobody, and is cleared and filled again. The control database is filled in one
transaction together with a row that says which backup it is, so the restore either happened completely or not at all;
finding that row, a repeated command only has to remove the marker.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.engine import make_url

from tallystick.access.tables import organizations
from tallystick.backup import control_database
from tallystick.backup.create import EVENTS
from tallystick.backup.manifest import BackupManifest, check_files, files_in, open_file, read_manifest
from tallystick.backup.secret_check import check_secret
from tallystick.backup.tables import backups
from tallystick.clock import now_us
from tallystick.database.damage import damage_named
from tallystick.database.engine import Database
from tallystick.database.migrate import is_before_first_release, knows, revision_of, upgrade
from tallystick.durable import replace_file, sync_folder
from tallystick.errors import Conflict, SettingsError
from tallystick.ingest.store_identity import write_node_id
from tallystick.ingest.tables import store_identity
from tallystick.journal.missing_ranges import RESTORE_COMMAND
from tallystick.ledger.high_water import HighWaterMarks
from tallystick.ledger.tables import logs
from tallystick.settings import Settings
from tallystick.store import transfer as rows
from tallystick.store.events import EventStore
from tallystick.store.schema import STORE_VERSION
from tallystick.work.disk_space import local_paths

MARKER_FILE = "restore.json"
RESTORED = "restored"
ADVICE = (
    "Restore into an empty data directory or database. --replace moves the contents of the data directory aside; on a "
    "database server, create an empty database and point the settings to it."
)
Progress = Callable[[str, int, int], None]
"""Called with the current step, how much of it is done, and of how much (0: unknown)."""


class RestoreMarker(msgspec.Struct):
    """The marker file. `aside` is the suffix for renaming existing data, empty without any; `moved`: it is renamed."""

    backup_id: UUID
    directory: str
    aside: str
    moved: bool
    place: str = ""  # the databases: a marker for others does not allow overwriting these
    command: str = ""  # to run again, if it is another than for a backup

    @property
    def repeat(self) -> str:
        """The command that completes the restore."""
        return self.command or f"tallystick backup restore {self.directory}"


class RestoreExtension(Protocol):
    """What a restore brings back beside the backup; `command` repeats it if it is interrupted."""

    command: str
    sealed: tuple[Path, BackupManifest] | None
    """Where the stored secrets are that come back in place of the backup's: a directory and its manifest."""

    def overlay(self, connection: Connection) -> None:
        """Change the loaded control database, in the transaction that fills it; not repeated."""

    def finish(self, database: Database) -> None:
        """Called once both databases are filled, and again if the restore is interrupted; no server starts before."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The restored backup, the new paths of existing data, and sentences on what is known to be missing."""

    manifest: BackupManifest
    aside: Sequence[str]
    missing: Sequence[str]


def refuse_interrupted(data_dir: Path) -> None:
    """Raise SettingsError while a restore into this data directory is unfinished."""
    begun = _read_marker(data_dir)
    if begun is not None:
        raise SettingsError(
            f"A restore into {data_dir} was interrupted and is incomplete. Run it again: {begun.repeat}"
        )


def restore_backup(
    settings: Settings,
    directory: Path,
    progress: Progress,
    *,
    replace: bool = False,
    without_key: bool = False,
    extension: RestoreExtension | None = None,
) -> RestoreResult:
    """Restore a backup into the databases of the settings, which must be empty or, with `replace`, embedded.

    The caller holds the lock of the data directory. Conflict when something does not fit, before anything is changed.
    """
    manifest = read_manifest(directory)
    if not knows(manifest.revision) or manifest.store_version > STORE_VERSION:
        which = (
            "a version before the first release" if is_before_first_release(manifest.revision) else "a newer version"
        )
        raise Conflict(f"The backup was made by Tallystick {manifest.version}, {which}. Restore with that version.")
    total, done = manifest.bytes, 0

    def checked(size: int) -> None:
        nonlocal done
        done += size
        progress("checking", done, total)

    check_files(directory, manifest, checked)
    if not without_key:
        check_secret(settings, directory, manifest, extension.sealed if extension is not None else None)
    begun = _read_marker(settings.data_dir)
    if begun is not None and begun.place != _database_urls(settings):
        begun = None
    if begun is None or begun.backup_id != manifest.backup_id:
        begun = _start(settings, directory, manifest, replace=replace, again=begun, extension=extension)
    aside = _move_aside(settings, begun)
    database = Database(settings.database_url, pool_size=1)
    try:
        if not _is_restored(database, manifest.backup_id):
            if (what := _control_content(settings)) is not None:
                raise Conflict(f"{what} {ADVICE}")
            _fill_store(settings, directory, manifest, progress)
            progress("control database", 0, 0)
            _fill_control(database, directory, manifest, extension)
        upgrade(database)
        _restore_node_id(database, settings)
        if extension is not None:
            extension.finish(database)
        missing = [*_missing(settings.data_dir, database), *_lacking(manifest)]
    finally:
        database.close()
    (settings.data_dir / MARKER_FILE).unlink()
    sync_folder(settings.data_dir)
    return RestoreResult(manifest, aside, missing)


def _read_marker(data_dir: Path) -> RestoreMarker | None:
    path = data_dir / MARKER_FILE
    return msgspec.json.decode(path.read_bytes(), type=RestoreMarker) if path.exists() else None


def _start(
    settings: Settings,
    directory: Path,
    manifest: BackupManifest,
    *,
    replace: bool,
    again: RestoreMarker | None,
    extension: RestoreExtension | None,
) -> RestoreMarker:
    """Refuse to overwrite existing data, then write the marker."""
    database_file, events_folder = local_paths(settings)
    filled = again is not None and again.moved  # the store's events come from the interrupted restore
    if (database_file is None or not replace) and (what := _control_content(settings)) is not None:
        if again is not None:
            what = f"Another restore into these databases was interrupted. Complete it: {again.repeat}. Or begin anew:"
        raise Conflict(f"{what} {ADVICE}")
    if (events_folder is None or not replace) and not filled and (what := _store_content(settings)) is not None:
        raise Conflict(f"{what} {ADVICE}")
    there = [part for part in (database_file, events_folder) if part is not None and part.exists()]
    ending = f".replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}" if replace and there else ""
    command = extension.command if extension is not None else ""
    place = _database_urls(settings)
    begun = RestoreMarker(manifest.backup_id, str(directory), ending, moved=not ending, place=place, command=command)
    _write_marker(settings.data_dir, begun)
    return begun


def _write_marker(data_dir: Path, begun: RestoreMarker) -> None:
    with replace_file(data_dir / MARKER_FILE, data_dir / f"{MARKER_FILE}.new") as file:
        file.write(msgspec.json.encode(begun))


def _control_content(settings: Settings) -> str | None:
    """A sentence on what the control database contains already, or None when it is empty."""
    database_file, _ = local_paths(settings)
    if database_file is not None and not database_file.exists():
        return None
    database = Database(settings.database_url, pool_size=1)
    try:
        with damage_named(settings.database_url), database.read() as connection:
            names = set(inspect(connection).get_table_names())
            if "organizations" in names and connection.execute(text("SELECT 1 FROM organizations")).first():
                return "The control database already contains organizations."
            if names and not knows(revision_of(connection) or ""):
                return "The control database contains tables of another application."
    finally:
        database.close()
    return None


def _store_content(settings: Settings) -> str | None:
    _, events_folder = local_paths(settings)
    if events_folder is not None and not events_folder.exists():
        return None
    store = EventStore(settings.events_url, any_version=True)
    try:
        store.open()
        return "The event store already contains events." if rows.count(store) else None
    finally:
        store.close()


def _database_urls(settings: Settings) -> str:
    """The URLs of both databases, without credentials."""
    url, events = make_url(settings.database_url), urlsplit(settings.events_url)
    control = url.set(username=None, password=None, query={})
    return f"{control} {events.scheme}://{events.netloc.rpartition('@')[2]}{events.path}"


def _move_aside(settings: Settings, begun: RestoreMarker) -> list[str]:
    """Rename existing data; idempotent, so that an interrupted restore continues. Returns the new paths."""
    if not begun.aside:
        return []
    database_file, events_folder = local_paths(settings)
    moves: list[tuple[Path, Path]] = []
    if events_folder is not None:
        moves.append((events_folder, events_folder.with_name(events_folder.name + begun.aside)))
    if database_file is not None:
        old = database_file.with_name(database_file.name + begun.aside)
        moves += [(Path(f"{database_file}{end}"), Path(f"{old}{end}")) for end in ("", "-wal", "-shm")]
    if not begun.moved:
        for now, then in moves:
            if now.exists() and not then.exists():
                now.rename(then)
                sync_folder(now.parent)
        begun.moved = True
        _write_marker(settings.data_dir, begun)
    return [str(then) for _, then in moves if then.exists() and not then.name.endswith(("-wal", "-shm"))]


def _is_restored(database: Database, backup_id: UUID) -> bool:
    with database.read() as connection:
        if "backups" not in inspect(connection).get_table_names():
            return False
        mine = (backups.c.backup_id == backup_id) & (backups.c.state == RESTORED)
        return connection.execute(select(backups.c.backup_id).where(mine)).first() is not None


def _fill_store(settings: Settings, directory: Path, manifest: BackupManifest, progress: Progress) -> None:
    store = EventStore(settings.events_url, any_version=True)
    try:
        store.open()
        rows.clear(store)
        if (store_id := _store_id(directory, manifest)) is not None:
            store.take_identity(store_id)
        done = 0
        for count in _insert(store, directory, manifest):
            done += count
            progress("events", done, manifest.events)
        if (there := rows.count(store)) != manifest.events:
            raise Conflict(f"The event store contains {there} events after {manifest.events} were written. Try again.")
    finally:
        store.close()


def _store_id(directory: Path, manifest: BackupManifest) -> UUID | None:
    """The id of the event store that was copied; None in a backup of a version without such ids."""
    ids = [row["store_id"] for row in control_database.rows_of(directory, manifest, store_identity.name)]
    return UUID(hex=ids[0]) if ids and ids[0] else None


def _restore_node_id(database: Database, settings: Settings) -> None:
    """Let this data directory be the node that the backup's control database names."""
    with database.read() as connection:
        node_id = connection.execute(select(store_identity.c.node_id)).scalar()
    if node_id is not None:
        write_node_id(settings.data_dir, node_id)


def _insert(store: EventStore, directory: Path, manifest: BackupManifest) -> Iterator[int]:
    for file in files_in(manifest, EVENTS):
        with open_file(directory, file) as stream:
            name, is_older = f"{manifest.backup_id}/{file.path}/{now_us()}", manifest.store_version != STORE_VERSION
            yield from rows.insert_from(store, stream, name, is_older=is_older)


def _fill_control(
    database: Database, directory: Path, manifest: BackupManifest, extension: RestoreExtension | None
) -> None:
    """Fill the control database in one transaction, with the row that names the restored backup."""
    if database.is_sqlite:
        _delete_sqlite_file(database)
    with database.read() as connection:
        is_empty = revision_of(connection) is None
    if is_empty:
        upgrade(database, manifest.revision)
    with database.write() as connection:
        if (there := revision_of(connection)) != manifest.revision:
            raise Conflict(
                f"The tables of the control database have version {there}, those of the backup "
                f"{manifest.revision}. Use an empty database."
            )
        control_database.load_tables(connection, directory, manifest)
        if extension is not None:
            extension.overlay(connection)
        _note_restored(connection, manifest.backup_id, directory)


def _delete_sqlite_file(database: Database) -> None:
    """Delete a SQLite file that has no organizations: of a new server, or of the interrupted restore."""
    database.close()
    for end in ("", "-wal", "-shm"):
        Path(f"{database.engine.url.database}{end}").unlink(missing_ok=True)


def _note_restored(connection: Connection, backup_id: UUID, directory: Path) -> None:
    now = now_us()
    values = {
        "backup_id": backup_id,
        "directory": str(directory),
        "state": RESTORED,
        "wanted_at": now,
        "finished_at": now,
        "events": 0,
        "of_events": 0,
        "detail": "",
    }
    connection.execute(backups.insert().values(values))


def _lacking(manifest: BackupManifest) -> list[str]:
    """Sentences on the events that the event store lacked already when the backup was made."""
    return [
        f"{log.slug}: the event store lacked {log.missing:,} events when this copy was made at {manifest.taken_at}. "
        f"Start the server, and bring them back from an earlier copy: {RESTORE_COMMAND}"
        for log in manifest.logs
        if log.missing
    ]


def _missing(data_dir: Path, database: Database) -> list[str]:
    """Sentences on the events that were signed in this data directory after the backup."""
    marks = HighWaterMarks(data_dir)
    marks.open()
    missing = []
    named = select(organizations.c.slug, logs.c.origin_id, logs.c.size)
    with database.read() as connection:
        found = connection.execute(named.join(organizations, organizations.c.org_id == logs.c.org_id)).all()
    for log in found:
        mark = marks.of(log.origin_id)
        if mark is not None and mark.size > log.size:
            missing.append(
                f"{log.slug}: {mark.size - log.size:,} events were recorded after the backup and are not in it (index "
                f"{log.size} to {mark.size - 1}). Its log will be frozen: restore a newer backup, or continue it with "
                f"tallystick org restart-log {log.slug}"
            )
    return missing
