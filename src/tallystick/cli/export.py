"""`tallystick export`: requests an export, waits for it, downloads the file and checks its SHA-256."""

import hashlib
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tallystick.cli.client import Client
from tallystick.cli.terminal import CommandFailed, JsonOption, emit, note, stderr

app = typer.Typer()

PATH = "/v1/exports"
LONGEST_PAUSE_SECONDS = 2.0
SUFFIXES = {"bundle": "zip"}


class ExportFormat(StrEnum):
    """The format of the exported file."""

    csv = "csv"
    json = "json"
    ndjson = "ndjson"
    pdf = "pdf"
    parquet = "parquet"
    bundle = "bundle"


class CsvColumnChoice(StrEnum):
    """The columns of an exported CSV file."""

    default = "default"
    all = "all"


class CsvDialectChoice(StrEnum):
    """The program that an exported CSV file is for."""

    standard = "standard"
    excel = "excel"
    excel_semicolon = "excel-semicolon"


ColumnsOption = Annotated[
    CsvColumnChoice, typer.Option(help="Columns of a CSV: the seven of a summary, or all fields behind them.")
]
DialectOption = Annotated[
    CsvDialectChoice, typer.Option(help="The program a CSV is for: any, or Excel, cut at commas or at semicolons.")
]
FilterOption = Annotated[list[str] | None, typer.Option(help="Only this value. Can be repeated.")]


@app.command()
def export(
    kind: Annotated[ExportFormat, typer.Option("--format", "-f", help="Format of the file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. '-' is standard output.")
    ] = None,
    query: Annotated[str, typer.Option("--query", "-q", help="Search query, as in tallystick search.")] = "",
    start: Annotated[str, typer.Option(help="Start date or time, inclusive.")] = "",
    end: Annotated[str, typer.Option(help="End time (exclusive), or last date (inclusive).")] = "",
    tz: Annotated[str, typer.Option(help="Time zone of dates, and of the times in a PDF. Defaults to UTC.")] = "",
    user: FilterOption = None,
    action: FilterOption = None,
    status: FilterOption = None,
    category: FilterOption = None,
    resource: FilterOption = None,
    resource_type: FilterOption = None,
    ip: FilterOption = None,
    columns: ColumnsOption = CsvColumnChoice.default,
    dialect: DialectOption = CsvDialectChoice.standard,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Export without the events that the event store lacks.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Export matching events to a file of any size, and check its SHA-256.

    The key needs the scope exports. Without --output, the file is written to the current directory.

    For example: tallystick export --format csv --status failed --start 2024-01-01 -o failed.csv
    """
    single: dict[str, str] = {"q": query, "start": start, "end": end, "tz": tz}
    repeated = {
        "user": user, "action": action, "status": status, "category": category, "resource": resource,
        "resource_type": resource_type, "ip": ip,
    }  # fmt: skip
    filters: dict[str, Any] = {name: value for name, value in {**single, **repeated}.items() if value}
    client = Client.from_environment()
    wanted: dict[str, Any] = {
        "format": kind.value,
        "filter": filters,
        "columns": columns.value,
        "dialect": dialect.value,
    }
    wanted["allow_missing"] = allow_missing
    finished = wait_until_finished(client, PATH, client.send("POST", PATH, wanted)["id"], "Exporting")
    target = output or Path(f"audit-log-{finished['requested_at'][:10]}-{finished['id']}.{SUFFIXES.get(kind, kind)}")
    path = f"{PATH}/{finished['id']}/download"
    if str(target) == "-":
        download(client, path, finished["sha256"], sys.stdout.buffer)
    else:
        write_atomically(target, lambda file: download(client, path, finished["sha256"], file))
    if json:
        emit(finished)
    if "missing" in finished:
        note(f"The event store lacks events that may belong here. Ranges of their indexes: {finished['missing']}")
    note(f"{finished['rows']:,} events, {finished['bytes']:,} bytes, SHA-256 {finished['sha256']}: {target}")


def wait_until_finished(client: Client, path: str, public_id: str, doing: str) -> dict[str, Any]:
    """Waits for an export or report at `path`/`public_id` and returns it; Ctrl-C cancels it.

    Raises CommandFailed if it fails or is cancelled.
    """
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    pause = 0.1
    try:
        with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
            task = bar.add_task(doing, total=1.0)
            while True:
                state: dict[str, Any] = client.get(f"{path}/{public_id}", {})
                bar.update(task, completed=state["progress"])
                if state["status"] == "completed":
                    return state
                if state["status"] in ("failed", "cancelled"):
                    raise CommandFailed(f"The export {state['status']}. {state['error'] or ''}".strip())
                time.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
    except KeyboardInterrupt:
        client.send("DELETE", f"{PATH}/{public_id}", None)
        raise CommandFailed("Interrupted. The export was cancelled.") from None


def write_atomically(target: Path, fill: Callable[[BinaryIO], None]) -> None:
    """Fills a file under a temporary name, and renames it to `target` only if `fill` succeeds.

    A new file is for its owner alone; one that is replaced keeps its mode.
    """
    unfinished = target.with_name(target.name + ".part")
    try:
        with unfinished.open("wb") as file:
            fill(file)
        with suppress(OSError):
            unfinished.chmod(stat.S_IMODE(target.stat().st_mode))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def download(client: Client, path: str, sha256: str, target: BinaryIO) -> None:
    """Downloads a file into `target`. Raises CommandFailed if `sha256` is not empty and differs."""
    digest = hashlib.sha256()
    for chunk in client.bytes_of(path):
        digest.update(chunk)
        target.write(chunk)
    target.flush()
    if sha256 and digest.hexdigest() != sha256:
        raise CommandFailed("The downloaded file does not match its SHA-256: it was changed or cut off. Try again.")
