"""`tallystick archive`: records archived events again, in a separate organization, so that they can be searched."""

import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tallystick.cli.client import Client
from tallystick.cli.import_batches import NDJSON, EventSender, ImportCounts
from tallystick.cli.terminal import CommandFailed, JsonOption, emit, fail, note, say
from tallystick.clock import rfc3339
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.storage_settings import source_storage
from tallystick.display_text import display_line
from tallystick.events.importers.own_export import rename_reserved_action
from tallystick.settings import Settings
from tallystick.verify.command import FAILS, OPTIONS, USAGE, UsageError, format_reports
from tallystick.verify.command import verify as check

app = typer.Typer()
archive = typer.Typer(no_args_is_help=True, help="Make archived events searchable again.")
app.add_typer(archive, name="archive")
SILENCE_SECONDS = 30.0
_object = msgspec.json.Decoder(dict[str, Any]).decode


@archive.callback()
def _group() -> None:
    pass


@archive.command()
def restore(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Bundles from the archive, or s3://… for all bundles below it.")
    ],
    key: Annotated[list[str], typer.Option(metavar="VKEY", help=OPTIONS["key"])],
    json: JsonOption = False,
) -> None:
    """Verify bundles, then record their events in the organization of TALLYSTICK_API_KEY, each once.

    It must be another organization than the one they come from, whose log says that they were deleted.
    """
    with _local_files(files) as names:
        try:
            reports = check(names, key)
        except UsageError as error:
            fail(f"{error}.")
            raise typer.Exit(USAGE) from None
        if not all(report.holds for report in reports):
            say(format_reports(reports, as_json=False))
            raise typer.Exit(FAILS)
        tally = _record(Client.from_environment(), names)
    if json:
        emit(tally)
    else:
        say(tally.words)
    if tally.refused:
        raise typer.Exit(FAILS)


def event_from_line(line: dict[str, Any]) -> dict[str, Any]:
    """The event to send for one line of a bundle; its old index, times and sender go into `metadata.archived`.

    Raises ValueError if the action was erased.
    """
    parts = {name: line.get(name) for name in ("what", "target", "who", "details")}
    erased = [name for name, text in parts.items() if text is None]
    if parts["what"] is None:
        raise ValueError("what happened was erased")
    what, target, who, details = (_object(text or "{}") for text in parts.values())
    metadata = details.pop("metadata", None) or {}
    details.pop("redacted", None)
    before = {
        "id": line["id"], "index": line["index"], "received_at": rfc3339(line["received_at"]),
        "recorded_by": what.pop("recorded_by"), "external_id": what.pop("external_id", None), "erased": erased or None,
    }  # fmt: skip
    event = {**what, **who, **details, "external_id": line["id"]}
    if "who" in erased:
        event["actor"] = {"type": "user", "name": "erased"}  # without an actor, the API key would count as the actor
    if target:
        event["resource"] = target
    kept = {name: value for name, value in before.items() if value is not None}
    return rename_reserved_action(event) | {"metadata": metadata | {"archived": kept}}


def _record(client: Client, names: Sequence[str]) -> ImportCounts:
    with client.stream("/v1/ledger/key", {}, {}, SILENCE_SECONDS) as keys:
        here = {line.partition("+")[0] for line in keys}
    origins = {_origin(name) for name in names}
    if here & origins:
        raise CommandFailed(
            "These events come from this very organization, whose log says that they were deleted. Make one for them: "
            "tallystick org create SLUG --retention-days 36500, and give a key of it."
        )
    sender = EventSender(
        client, lambda place, problem: note(f"{display_line(place)}: refused: {display_line(problem)}")
    )
    for name in names:
        for number, line in enumerate(_events(name), 1):
            if line.keys() > {"index"}:
                _add(sender, f"{name}, line {number}", line)
    sender.flush()
    tally = sender.counts
    said = {"origins": sorted(origins), "new": tally.new, "known": tally.known, "refused": tally.refused,
            "imported": tally.imported}  # fmt: skip
    client.record(msgspec.json.encode({"action": "archive.restored", "metadata": said}), NDJSON)
    return tally


@contextmanager
def _local_files(files: Sequence[str]) -> Iterator[list[str]]:
    """Local paths of the files; those in a bucket are downloaded into a temporary directory first."""
    with tempfile.TemporaryDirectory(prefix="tallystick-") as folder:
        names: list[str] = []
        for name in files:
            names += _download(name, Path(folder)) if name.startswith("s3://") else [name]
        yield names


def _download(url: str, folder: Path) -> Iterator[str]:
    """Downloads the bundle at an s3:// URL, or every bundle under that prefix; yields the local paths."""
    settings = Settings.load(os.environ, make=False)
    above, _, last = url.rstrip("/").rpartition("/")
    is_one = last.endswith(".zip")
    storage = source_storage(above if is_one else url, settings)
    try:
        keys = [last] if is_one else [key for key in storage.keys("") if key.endswith(".zip")]
        if not keys:
            raise CommandFailed(f"There are no bundles below {display_line(url)}.")
        for key in keys:
            path = folder / f"{len(list(folder.iterdir()))}-{key.replace('/', '-')}"
            with path.open("wb") as file:
                storage.get(key, file)
            yield str(path)
    except TargetError as error:
        raise CommandFailed(error.detail) from None


def _add(sender: EventSender, location: str, line: dict[str, Any]) -> None:
    try:
        sender.add(location, event_from_line(line))
    except (ValueError, KeyError) as problem:
        sender.refuse(location, str(problem))


def _events(name: str) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(name) as bundle, bundle.open("events.ndjson") as lines:
        yield from map(_object, lines)


def _origin(name: str) -> str:
    with zipfile.ZipFile(Path(name)) as bundle:
        return bundle.read("checkpoint").decode().partition("\n")[0]
