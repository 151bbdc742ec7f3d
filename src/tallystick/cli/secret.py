"""`tallystick secret`: rotates the secret key, with which the server encrypts its stored secrets."""

import os
from collections import Counter
from typing import Annotated

import typer

from tallystick.backup.data_dir_lock import is_locked, lock_data_dir, server_key_mark
from tallystick.backup.secret_rotation import LOST, PREVIOUS, SEALED_COLUMNS, count_sealed, lost_secrets, reseal
from tallystick.cli.control_database import control_database
from tallystick.cli.terminal import CommandFailed, JsonOption, emit, note, say
from tallystick.database.engine import Database
from tallystick.database.scrub import scrub
from tallystick.secret_keys import KEPT_FILE, PREVIOUS_FILE, SecretKeys, key_mark, read_or_create_key, replace_key
from tallystick.settings import Settings

app = typer.Typer()
secret = typer.Typer(no_args_is_help=True, help="Rotate the secret key, which encrypts the stored secrets.")
app.add_typer(secret, name="secret")

HOW = (
    "To rotate it, set TALLYSTICK_SECRET_KEY to a new key (openssl rand -hex 32) and TALLYSTICK_SECRET_KEY_OLD to the "
    "present one, restart every server with both, and run this command again."
)


@secret.callback()
def _group() -> None:
    pass


@secret.command()
def rotate(
    skip_lost: Annotated[
        bool, typer.Option("--skip-lost", help="Go on although there are secrets that none of the keys decrypts.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Rotate the secret key: encrypt all stored secrets (signing keys, secrets of destinations) with a new one.

    If the data directory keeps the key, stop the server first. The command creates the new key; the previous one stays
    in secret.key.old. If the key is in TALLYSTICK_SECRET_KEY, set a new one there and the previous one in
    TALLYSTICK_SECRET_KEY_OLD, restart all servers, and then run the command. If it is interrupted, run it again.
    """
    with control_database() as database:
        settings = Settings.load(os.environ)
        if settings.secret_keys.is_kept:
            done = _rotate_kept_key(database, settings, skip_lost)
        else:
            done = _rotate_given_key(database, settings, skip_lost)
        # What the previous key decrypts is on free pages and in the write-ahead log still.
        scrub(database, sorted({column.table.name for column in SEALED_COLUMNS}))
    if json:
        emit({"encrypted_anew": done[PREVIOUS], "secrets": done.total(), "lost": done[LOST]})
    else:
        say(f"{done[PREVIOUS]:,} of {done.total():,} stored secrets were encrypted anew, with the new key.")
    if settings.secret_keys.is_kept:
        note(
            f"Start the server again. The previous key is in {settings.data_dir / PREVIOUS_FILE}: links that it "
            "signed work until you delete the file. Backups made until now need that key: keep it for them."
        )
    else:
        note(
            "Now remove TALLYSTICK_SECRET_KEY_OLD and restart all servers: links that the previous key signed end "
            "then. Backups made until now need the previous key: keep it for them."
        )


@secret.command()
def recreate(json: JsonOption = False) -> None:
    """Create a new secret key in place of a lost one, and list the stored secrets that are lost with it.

    Look for a copy of secret.key first: after this, nothing more is signed in the logs whose signing keys are lost, and
    the destinations have to be created again. Stop the server first.
    """
    settings = Settings.load(os.environ, make=False)
    if settings.secret_key:
        raise CommandFailed("The secret key is not lost. To replace it: tallystick secret rotate")
    with control_database(make=False) as database, lock_data_dir(settings.data_dir):
        key = read_or_create_key(settings.data_dir, make=True)
        with database.read() as connection:
            lost = lost_secrets(connection, SecretKeys(key))
    if json:
        emit({"lost": lost})
        return
    say(f"A new secret key is in {settings.data_dir / KEPT_FILE}: keep a copy of it.")
    for line in lost:
        say(f"Lost: {line}")


def _rotate_kept_key(database: Database, settings: Settings, skip_lost: bool) -> Counter[str]:
    if is_locked(settings.data_dir):
        raise CommandFailed(
            f"A server runs on {settings.data_dir} and knows only the present key. Stop it, run this command, and "
            "start it again."
        )
    with lock_data_dir(settings.data_dir):
        keys = Settings.load(os.environ).secret_keys
        with database.read() as connection:
            before = count_sealed(connection, keys)
        _require_keys(before, skip_lost)
        # An interrupted rotation has created the new key already, and goes on with it.
        if not before[PREVIOUS]:
            replace_key(settings.data_dir, keys.current)
            keys = Settings.load(os.environ).secret_keys
        with database.write() as connection:
            return reseal(connection, keys)


def _rotate_given_key(database: Database, settings: Settings, skip_lost: bool) -> Counter[str]:
    keys = settings.secret_keys
    with database.read() as connection:
        before = count_sealed(connection, keys)
    _require_keys(before, skip_lost)
    if not keys.previous:
        raise CommandFailed(f"All stored secrets are encrypted with the key in TALLYSTICK_SECRET_KEY. {HOW}")
    mark = server_key_mark(settings.data_dir)
    if mark is not None and mark != key_mark(keys.current):
        raise CommandFailed(
            f"The server that runs on {settings.data_dir} was started with another TALLYSTICK_SECRET_KEY, and would "
            "decrypt nothing after this. Restart it with the new key and TALLYSTICK_SECRET_KEY_OLD first."
        )
    with database.write() as connection:
        return reseal(connection, keys)


def _require_keys(counts: Counter[str], skip_lost: bool) -> None:
    if counts[LOST] and not skip_lost:
        raise CommandFailed(
            f"{counts[LOST]:,} of {counts.total():,} stored secrets cannot be decrypted with the secret key, nor with "
            "a previous one. Nothing was changed. Give the key that encrypted them as TALLYSTICK_SECRET_KEY_OLD. If it "
            "is lost, --skip-lost leaves them as they are."
        )
