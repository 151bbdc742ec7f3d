"""`tallystick restore`: brings an installation back from continuous copies."""

import os
import shlex
from datetime import datetime
from typing import Annotated

import typer

from tallystick.cli.control_database import CLI_CALLER
from tallystick.cli.restore_options import ReplaceOption, WithoutKeyOption, locked_data_dir
from tallystick.cli.terminal import CommandFailed, JsonOption, emit, note, say
from tallystick.clock import rfc3339, to_us
from tallystick.copies.restore import RestoredCopies, restore_copies
from tallystick.destinations.storage_settings import source_storage
from tallystick.errors import BadRequest
from tallystick.settings import Settings

app = typer.Typer()


@app.command()
def restore(
    place: Annotated[
        str,
        typer.Option("--from", metavar="COPIES", help="Default: TALLYSTICK_COPIES_DIR."),
    ] = "",
    at: Annotated[
        str,
        typer.Option("--at", metavar="TIME", help="Moment, as 2026-11-29T15:30:00Z. Default: newest."),
    ] = "",
    replace: ReplaceOption = False,
    without_key: WithoutKeyOption = False,
    json: JsonOption = False,
) -> None:
    """Bring everything back from continuous copies, as of any moment that they cover.

    Restores into an empty data directory or empty databases; stop the server before. First put secret.key there, and
    ledger.marks if the disk of the lost server can still be read: without it, each log goes on under a new name,
    because more of it may have been signed than was copied. What was purged or erased is deleted again. If it is
    interrupted, run the same command again; until then the server does not start.
    """
    settings = Settings.load(os.environ)
    source = place or str(settings.copies_dir or "")
    if not source:
        raise CommandFailed("Say where the copies are, with --from or TALLYSTICK_COPIES_DIR.")
    storage = source_storage(source, settings)
    moment = _read_moment(at)
    again = ["tallystick", "restore", "--from", storage.where, *(["--at", at] if at else [])]
    with locked_data_dir(settings) as progress:
        done = restore_copies(
            settings, storage, moment, shlex.join(again), CLI_CALLER, progress,
            move_aside=replace, without_key=without_key,
        )  # fmt: skip
    if json:
        emit(_summary_of(done))
    else:
        _tell(done, storage.where)


def _read_moment(text: str) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequest("--at: use a time with its zone, such as 2026-11-29T15:30:00Z.")
    return to_us(moment)


def _summary_of(done: RestoredCopies) -> dict[str, object]:
    return {
        "at": rfc3339(done.at),
        "events": done.result.manifest.events,
        "appended": done.appended,
        "purged_again": done.deleted,
        "erased_again": done.erased,
        "restarted": {slug: log.new_origin for slug, log in done.restarted.items()},
        "moved_aside": done.result.aside,
        "missing": done.result.missing,
    }


def _tell(done: RestoredCopies, source: str) -> None:
    say(
        f"Restored {done.result.manifest.events:,} events of the full copy and {done.appended:,} recorded after it, as "
        f"of {rfc3339(done.at)}, from {source}"
    )
    if done.deleted or done.erased:
        say(f"Deleted again: {done.deleted:,} purged events, and erased parts of {done.erased:,} events")
    for slug, log in done.restarted.items():
        say(f"{slug}: the log continues from {log.size:,} entries as {log.new_origin}")
    for path in done.result.aside:
        say(f"The previous contents are in {path}")
    for line in done.result.missing:
        say(f"Missing: {line}")
    if done.restarted:
        note("Start the server, then give everyone who verifies these logs their new key lines.")
    note("Events recorded after that moment are not in the copies. Everyone must sign in again.")
