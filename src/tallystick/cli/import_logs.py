"""`tallystick import`: send real logs from files."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tallystick.cli.batches import Sender, Tally
from tallystick.cli.client import Client
from tallystick.cli.sources import STANDARD_INPUT, read_file
from tallystick.cli.terminal import emit, say, visible, words

app = typer.Typer()


class Format(StrEnum):
    tallystick = "tallystick"
    cloudtrail = "cloudtrail"


@app.command("import")
def import_logs(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help='Files to read. "-" is standard input. Gzip is unpacked.')
    ],
    log_format: Annotated[
        Format, typer.Option("--format", help="tallystick: one event as JSON on each line. cloudtrail: AWS CloudTrail.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Import log files, and report how many events were new, already known, or rejected.

    An event with an external ID is recorded only once, however often it is sent. All CloudTrail events have one.
    The exit status is 1 if any event was rejected.
    """
    with _progress(files) as (progress, task):
        sender = Sender(Client.from_environment(), lambda place, problem: _tell(progress, place, problem))
        try:
            for name in files:
                _send_file(sender, name, log_format, progress, task)
            sender.flush()
        finally:
            progress.stop()
            _say(sender.tally, json)
    if sender.tally.refused:
        raise typer.Exit(1)


def _send_file(sender: Sender, name: str, log_format: Format, progress: Progress, task: TaskID) -> None:
    try:
        for read in read_file(name, log_format, lambda size: progress.advance(task, size)):
            if read.event is None:
                sender.refuse(read.place, read.problem)
            else:
                sender.add(read.place, read.event)
    except OSError as error:
        sender.refuse(name, f"cannot be read: {error.strerror or error}")


@contextmanager
def _progress(files: list[str]) -> Iterator[tuple[Progress, TaskID]]:
    """A bar over the bytes of all files, drawn only for a person at a terminal."""
    columns = (TextColumn("Importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    known = STANDARD_INPUT not in files
    total = sum(Path(name).stat().st_size for name in files if Path(name).is_file()) if known else None
    with Progress(*columns, console=words, transient=True, disable=not words.is_terminal) as progress:
        yield progress, progress.add_task("import", total=total)


def _tell(progress: Progress, place: str, problem: str) -> None:
    progress.console.print(f"{visible(place)}: rejected: {visible(problem)}", markup=False, soft_wrap=True)


def _say(tally: Tally, json: bool) -> None:
    if json:
        emit(tally)
        return
    conflicts = f" ({tally.conflicts:,} with different content: the first version is kept)" if tally.conflicts else ""
    say(f"{tally.new:,} new, {tally.known:,} already known{conflicts}, {tally.refused:,} rejected")
