"""`tallystick import`: sends the events of log files."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tallystick.cli.client import Client
from tallystick.cli.import_batches import EventSender, ImportCounts
from tallystick.cli.log_files import read_file, total_bytes
from tallystick.cli.terminal import JsonOption, emit, say, stderr
from tallystick.display_text import display_line
from tallystick.events.importers import cloudtrail

app = typer.Typer()


class LogFormat(StrEnum):
    """The format of the imported files."""

    tallystick = "tallystick"
    cloudtrail = "cloudtrail"


@app.command("import")
def import_logs(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help='Files and folders to read. "-" is standard input. Gzip is unpacked.'),
    ],
    log_format: Annotated[
        LogFormat,
        typer.Option("--format", help="tallystick: NDJSON or JSON, as in exports. cloudtrail: AWS CloudTrail."),
    ],
    json: JsonOption = False,
) -> None:
    """Import log files, and report how many events were new, known already, or refused.

    An event with an external ID is recorded only once, however often it is sent. All CloudTrail events have one.
    The exit status is 1 if any event was refused.
    """
    with _progress(files) as (progress, task):
        sender = EventSender(
            Client.from_environment(),
            lambda location, problem: _print_refusal(progress, location, problem),
            cloudtrail.earlier_form if log_format is LogFormat.cloudtrail else None,
        )
        try:
            for name in files:
                _send_file(sender, name, log_format, progress, task)
            sender.flush()
        finally:
            progress.stop()
            _print_counts(sender.counts, json)
    if sender.counts.refused:
        raise typer.Exit(1)


def _send_file(sender: EventSender, name: str, log_format: LogFormat, progress: Progress, task: TaskID) -> None:
    try:
        for read in read_file(name, log_format, lambda size: progress.advance(task, size)):
            if read.foreign and Path(name).is_dir():
                progress.console.print(display_line(f"{read.location}: {read.problem}"), markup=False, soft_wrap=True)
            elif read.event is None:
                sender.refuse(read.location, read.problem)
            else:
                sender.add(read.location, read.event)
    except OSError as error:
        sender.refuse(name, f"cannot be read: {error.strerror or error}")


@contextmanager
def _progress(files: list[str]) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar over the bytes of all files; draws nothing unless stderr is a terminal."""
    columns = (TextColumn("Importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    total = total_bytes(files)
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        yield progress, progress.add_task("import", total=total)


def _print_refusal(progress: Progress, location: str, problem: str) -> None:
    progress.console.print(f"{display_line(location)}: refused: {display_line(problem)}", markup=False, soft_wrap=True)


def _print_counts(tally: ImportCounts, json: bool) -> None:
    if json:
        emit(tally)
        return
    say(tally.words)
