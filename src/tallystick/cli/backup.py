"""`tallystick backup`: creates and restores backups of both databases."""

import os
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from tallystick.backup import request
from tallystick.backup.create import summary_of
from tallystick.backup.manifest import BackupManifest, read_manifest
from tallystick.backup.restore import restore_backup as carry_back
from tallystick.cli.control_database import control_database, installed_settings
from tallystick.cli.restore_options import ReplaceOption, WithoutKeyOption, locked_data_dir
from tallystick.cli.store_access import is_open_elsewhere, opened_store, progress_bar, wait_for_server
from tallystick.cli.terminal import JsonOption, emit, note, say
from tallystick.database.engine import Database
from tallystick.settings import Settings

app = typer.Typer()
backup = typer.Typer(no_args_is_help=True, help="Create and restore backups.")
app.add_typer(backup, name="backup")


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
    settings, target = installed_settings(), directory.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    with control_database() as database:
        if is_open_elsewhere(settings):
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
    replace: ReplaceOption = False,
    without_key: WithoutKeyOption = False,
    json: JsonOption = False,
) -> None:
    """Restore a backup into an empty data directory or empty databases. Stop the server first.

    All files are checked before anything is written. If it is interrupted, run the same command again; until then the
    server does not start. You can restore from SQLite to PostgreSQL and back.
    """
    settings = Settings.load(os.environ)
    with locked_data_dir(settings) as progress:
        done = carry_back(settings, directory.absolute(), progress, replace=replace, without_key=without_key)
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
    with progress_bar() as progress, opened_store(settings) as store:
        store.open()
        with database.write() as connection:
            backup_id = request.request_backup(connection, target, request.RUNNING)
        record_progress = request.RequestProgress(database, backup_id, Event())

        def tell(done: int, total: int) -> None:
            record_progress(done, total)
            progress("events", done, total)

        least_free = settings.least_free_mb << 20
        return request.run_backup(database, store, backup_id, target, tell, least_free_bytes=least_free)


def _create_on_server(database: Database, settings: Settings, target: Path) -> BackupManifest:
    with database.write() as connection:
        backup_id = request.request_backup(connection, target)

    def look(connection: Connection) -> Any:
        return request.read_request(connection, backup_id)

    def cancel(connection: Connection, why: str) -> object:
        return request.cancel_request(connection, backup_id, why)

    wait_for_server(database, settings, "backup", look, cancel)
    return read_manifest(target)
