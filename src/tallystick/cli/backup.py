"""`tallystick backup`: creates and restores backups of both databases."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tallystick.backup import request
from tallystick.backup.create import summary_of
from tallystick.backup.data_dir_lock import is_locked, lock_data_dir
from tallystick.backup.manifest import BackupManifest, read_manifest
from tallystick.backup.restore import restore_backup as carry_back
from tallystick.cli.control_database import control_database
from tallystick.cli.terminal import CommandFailed, JsonOption, emit, note, say, stderr
from tallystick.database.engine import Database
from tallystick.settings import Settings
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore

app = typer.Typer()
backup = typer.Typer(no_args_is_help=True, help="Create and restore backups.")
app.add_typer(backup, name="backup")

PATIENCE_SECONDS = 30
LOOK_SECONDS = 0.2


@backup.command()
def create(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new directory.")],
    json: JsonOption = False,
) -> None:
    """Back up everything, with or without a running server.

    A backup holds the control database as of one moment, and the events stored by then. A running server with an
    embedded event store writes the backup itself, as its own user. The secret key, ledger.marks and ledger.erasures
    are not included: keep them somewhere else.
    """
    settings, target = Settings.load(os.environ), directory.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    with control_database() as database:
        if settings.events_url.startswith("chdb:") and is_locked(settings.data_dir):
            manifest = _create_on_server(database, settings, target)
        else:
            manifest = _create_here(database, settings, target)
    if json:
        emit(summary_of(manifest, target))
        return
    say(f"{target}: {manifest.events:,} events, {manifest.bytes / 1e6:,.1f} MB, as of {manifest.taken_at}")
    for log in manifest.logs:
        if log.missing:
            note(f"{log.slug}: {log.missing:,} events of its log are missing from the event store. See Integrity.")
    note("Back up secret.key, ledger.marks and ledger.erasures of the data directory separately.")


@backup.command()
def restore(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the backup.")],
    replace: Annotated[bool, typer.Option("--replace", help="Move the contents of the data directory aside.")] = False,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Restore without the secret key. Nothing can be signed after that.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Restore a backup into an empty data directory or empty databases. Stop the server first.

    All files are checked before anything is written. If it is interrupted, run the same command again; until then the
    server does not start. You can restore from SQLite to PostgreSQL and back.
    """
    settings = Settings.load(os.environ)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_data_dir(settings.data_dir), progress_bar() as progress:
        try:
            done = carry_back(settings, directory.absolute(), progress, replace=replace, without_key=without_key)
        except StoreError as error:
            raise CommandFailed(f"The event store cannot be used: {error}") from None
    if json:
        emit(summary_of(done.manifest, directory) | {"moved_aside": done.aside, "missing": done.missing})
        return
    say(f"Restored {done.manifest.events:,} events as of {done.manifest.taken_at} from {directory}")
    for path in done.aside:
        say(f"The previous contents are in {path}")
    for line in done.missing:
        say(f"Missing: {line}")
    if not done.missing:
        note("Events recorded after that moment are not in the backup.")
    note("Everyone must sign in again. Keys and members are as they were then: revoke again what was revoked since.")


def _create_here(database: Database, settings: Settings, target: Path) -> BackupManifest:
    store = EventStore(settings.events_url)
    try:
        with progress_bar() as progress, _owner_if_embedded(settings, store):
            store.open()
            with database.write() as connection:
                backup_id = request.request_backup(connection, target, request.RUNNING)
            record_progress = request.RequestProgress(database, backup_id, Event())

            def tell(done: int, total: int) -> None:
                record_progress(done, total)
                progress("events", done, total)

            least_free = settings.least_free_mb << 20
            return request.run_backup(database, store, backup_id, target, tell, least_free_bytes=least_free)
    except StoreError as error:
        raise CommandFailed(f"The event store cannot be used: {error}") from None
    finally:
        store.close()


@contextmanager
def _owner_if_embedded(settings: Settings, store: EventStore) -> Iterator[None]:
    if not store.embedded:
        yield
        return
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_data_dir(settings.data_dir):
        yield


def _create_on_server(database: Database, settings: Settings, target: Path) -> BackupManifest:
    with database.write() as connection:
        backup_id = request.request_backup(connection, target)
    try:
        with progress_bar() as progress:
            _wait_for_server(database, settings, backup_id, progress)
    except KeyboardInterrupt:
        with database.write() as connection:
            request.cancel_request(connection, backup_id, "cancelled by the user")
        raise
    return read_manifest(target)


def _wait_for_server(database: Database, settings: Settings, backup_id: UUID, progress: Any) -> None:
    began = time.monotonic()
    while True:
        with database.read() as connection:
            row: Any = request.read_request(connection, backup_id)
        if row.state == request.DONE:
            return
        if row.state == request.FAILED:
            raise CommandFailed(f"The backup failed: {row.detail}")
        if not is_locked(settings.data_dir):
            with database.write() as connection:
                request.cancel_request(connection, backup_id, "the server was stopped during the backup")
            raise CommandFailed(
                "The server stopped before the backup was complete. Try again with or without a running server."
            )
        if row.state == request.WANTED and time.monotonic() - began > PATIENCE_SECONDS:
            with database.write() as connection:
                request.cancel_request(connection, backup_id, "no server started it")
            raise CommandFailed("The server did not start the backup within 30 seconds. Check its log.")
        progress("events", row.events, row.of_events)
        time.sleep(LOOK_SECONDS)


@contextmanager
def progress_bar() -> Iterator[Any]:
    """A function (label, done, total) that updates a progress bar; draws nothing unless stderr is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as shown_bar:
        task = shown_bar.add_task("…", total=None)

        def tell(what: str, done: int, total: int) -> None:
            shown_bar.update(task, description=what, completed=done, total=total or None)

        yield tell
