"""`tallystick import`: sends the events of log files."""

import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, cast

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tallystick.cli.client import Client
from tallystick.cli.import_batches import EventSender, ImportCounts
from tallystick.cli.import_older import Older, OlderEvents, choose_older
from tallystick.cli.log_files import STANDARD_INPUT, read_file, total_bytes
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
    older: Annotated[
        Older | None,
        typer.Option(help="Events older than what is kept: skip leaves them out, keep records them until a purge."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Import log files, and report how many events were new, known already, or refused.

    An event with an external ID is recorded only once, however often it is sent. All CloudTrail events have one.
    An event without a time is refused. Before anything is sent, the command says how many events are older than what
    the organization keeps, and asks what to do with them; where it cannot ask, it takes --older.
    The exit status is 1 if any event was refused, and 2 if --older is needed.
    """
    client = Client.from_environment()
    found = OlderEvents(client)
    if STANDARD_INPUT not in files:
        older = choose_older(_count_older(found, files, log_format), found, older, files)
    elif older is None:
        with _input_twice():
            older = choose_older(_count_older(found, files, log_format), found, older, files)
            sys.stdin.seek(0)
            _send_files(client, found if older is Older.skip else None, files, log_format, json)
        return
    _send_files(client, found if older is Older.skip else None, files, log_format, json)


def _count_older(found: OlderEvents, files: list[str], log_format: LogFormat) -> int:
    """How many events of the files are older than what is kept. What cannot be read is said when it is sent."""

    def events() -> Iterator[dict[str, Any]]:
        for name in files:
            with suppress(OSError):
                for read in read_file(name, log_format, lambda size: progress.advance(task, size)):
                    if read.event is not None:
                        yield read.event

    with _progress(files, "Checking") as (progress, task):
        return found.count(events())


@contextmanager
def _input_twice() -> Iterator[None]:
    """Let standard input be read more than once, after a `seek(0)`."""
    given = sys.stdin
    with TemporaryFile() as copy:
        shutil.copyfileobj(given.buffer, copy)
        copy.seek(0)
        sys.stdin = io.TextIOWrapper(cast(BinaryIO, copy))
        try:
            yield
        finally:
            sys.stdin.detach()
            sys.stdin = given


def _send_files(
    client: Client, leaves_out: OlderEvents | None, files: list[str], log_format: LogFormat, json: bool
) -> None:
    with _progress(files) as (progress, task):
        sender = EventSender(
            client,
            lambda location, problem: _print_refusal(progress, location, problem),
            cloudtrail.EARLIER_FORMS if log_format is LogFormat.cloudtrail else (),
            leaves_out.positions if leaves_out else None,
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
def _progress(files: list[str], doing: str = "Importing") -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar over the bytes of all files; draws nothing unless stderr is a terminal."""
    columns = (TextColumn(doing), BarColumn(), DownloadColumn(), TimeRemainingColumn())
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
