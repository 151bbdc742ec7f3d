"""The verifier's command line: checks files or a server; exit status 0 (holds), 1 (does not hold) or 2 (usage)."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tallystick.verify.bundle import check_bundle
from tallystick.verify.entries import WHOLE, Malformed, read_object
from tallystick.verify.live import Server, Unreachable, check_server
from tallystick.verify.notes import Key, SignedCheckpoint, Unsigned, open_checkpoint
from tallystick.verify.proofs import HEADER, check_proof, read_proof
from tallystick.verify.report import Report

HOLDS, FAILS, USAGE = 0, 1, 2
ZIP = b"PK"
MAX_TEXT = 4 << 20
DESCRIPTION = (
    "Verify a bundle or a proof offline, or a running server, with a key that you already have.\n\n"
    "The key must come from another source than the evidence."
)
OPTIONS = {
    "files": "Bundles (.zip), proofs (as text, with the event's JSON in another file, or as JSON), checkpoints.",
    "key": "The log's key as NAME+HEX+BASE64, or a file of such lines; may be repeated.",
    "checkpoint": "A checkpoint that you trust: the log must begin with its entries.",
    "url": "A running server; the API key is read from TALLYSTICK_API_KEY.",
    "event": "With --url, also check the proof of the event with this id; may be repeated.",
    "save": "With --url, save the server's checkpoint to this file if everything holds.",
    "json": "Print JSON.",
}


class UsageError(Exception):
    """The arguments are unusable; the text says what to do."""


def verify(
    files: Sequence[str],
    keys: Sequence[str],
    *,
    checkpoint: str = "",
    url: str = "",
    events: Sequence[str] = (),
    save: str = "",
) -> list[Report]:
    """Check files, and a server if `url` is given; one report for each. UsageError, Unreachable, OSError."""
    if not files and not url:
        raise UsageError("name a file to check, or a server with --url")
    if (events or save) and not url:
        raise UsageError("--event and --save need --url")
    known = read_keys(keys)
    if not known:
        raise UsageError(
            "give the log's key with --key; GET /v1/ledger/key returns it. It must not come with the evidence"
        )
    older = _read_checkpoint(checkpoint, known) if checkpoint else None
    beside = _event_files(files)
    reports = [_check_file(name, known, older, beside) for name in files if name not in beside]
    if url:
        reports.append(_check_url(url, known, older, events, save))
    return reports


def main(arguments: Sequence[str]) -> int:
    """Run with these arguments, print the result, return the exit status."""
    parser = argparse.ArgumentParser(prog="tallystick-verify", description=DESCRIPTION)
    parser.add_argument("files", nargs="*", metavar="FILE", help=OPTIONS["files"])
    parser.add_argument("--key", action="append", default=[], help=OPTIONS["key"])
    parser.add_argument("--checkpoint", default="", metavar="FILE", help=OPTIONS["checkpoint"])
    parser.add_argument("--url", default="", help=OPTIONS["url"])
    parser.add_argument("--event", action="append", default=[], metavar="ID", help=OPTIONS["event"])
    parser.add_argument("--save", default="", metavar="FILE", help=OPTIONS["save"])
    parser.add_argument("--json", action="store_true", help=OPTIONS["json"])
    given = parser.parse_args(arguments)
    try:
        reports = verify(
            given.files, given.key, checkpoint=given.checkpoint, url=given.url, events=given.event, save=given.save
        )
    except UsageError as error:
        sys.stderr.write(f"Error: {_printable(str(error))}.\n")
        return USAGE
    except (Unreachable, OSError) as error:
        sys.stderr.write(f"Error: {_printable(str(error))}.\n")
        return FAILS
    sys.stdout.write(format_reports(reports, as_json=given.json) + "\n")
    return HOLDS if all(report.holds for report in reports) else FAILS


def format_reports(reports: Sequence[Report], *, as_json: bool) -> str:
    """The reports as text or JSON. In each line, characters that are not printable are escaped, line breaks too."""
    if as_json:
        holds = all(report.holds for report in reports)
        return json.dumps({"holds": holds, "reports": [report.as_json() for report in reports]})
    return "\n".join(_printable(line) for report in reports for line in report.lines())


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def read_keys(given: Sequence[str]) -> list[Key]:
    """Parse keys, given as lines or as paths of files with lines; UsageError."""
    keys: list[Key] = []
    for text in given:
        is_file = "+" not in text or Path(text).is_file()
        lines = _read_text(text).splitlines() if is_file else [text]
        for line in lines:
            if line.strip() and not line.startswith("#"):
                try:
                    keys.append(Key.read(line))
                except ValueError as error:
                    raise UsageError(f"--key {line.strip()[:80]}: {error}") from None
    return keys


def _read_checkpoint(path: str, keys: Sequence[Key]) -> SignedCheckpoint:
    try:
        return open_checkpoint(_read_text(path), keys)
    except Unsigned as error:
        raise UsageError(f"--checkpoint {path}: {error}") from None


def _event_files(files: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The files that hold the JSON of an event, for proofs in other files, by name."""
    found: dict[str, dict[str, Any]] = {}
    for name in files:
        with Path(name).open("rb") as file:
            if file.read(1) != b"{":
                continue
        try:
            content = read_object(_read_text(name))
        except Malformed:
            continue
        if content.keys() == WHOLE:
            found[name] = content
    return found


def _check_file(
    name: str, keys: Sequence[Key], older: SignedCheckpoint | None, beside: dict[str, dict[str, Any]]
) -> Report:
    report = Report(name)
    with Path(name).open("rb") as file:
        if file.read(2) == ZIP:
            file.seek(0)
            check_bundle(file, keys, report, older, parallel=True)
            return report
    try:
        text = _read_text(name)
        event: dict[str, Any] | None = None
        if text.startswith("{"):
            content = read_object(text)
            if type(content.get("proof")) is not str or type(content.get("event")) is not dict:
                raise Malformed("this is not a bundle, a proof or a checkpoint")
            text, event = content["proof"], content["event"]
        if text.startswith(HEADER):
            at = read_proof(text).index
            event = event or next((one for one in beside.values() if one["index"] == at), None)
            checkpoint = check_proof(text, keys, report, event=event)
        else:
            checkpoint = open_checkpoint(text, keys)
            report.facts.append(f"a signed checkpoint of {checkpoint.origin}, {checkpoint.size:,} entries")
        if checkpoint is not None and older is not None:
            _compare(report, older, checkpoint)
    except (Malformed, Unsigned, UnicodeDecodeError) as error:
        report.add_problem(str(error))
    return report


def _compare(report: Report, older: SignedCheckpoint, checkpoint: SignedCheckpoint) -> None:
    if older.origin != checkpoint.origin:
        report.add_problem(f"the older checkpoint belongs to another log, {older.origin}")
    elif older.size == checkpoint.size and older.root != checkpoint.root:
        report.add_problem(f"two roots were signed for {older.size} entries")
    elif older.size != checkpoint.size:
        report.facts.append("files do not show whether the log only grew between two checkpoints: compare with --url")


def _check_url(
    url: str, keys: Sequence[Key], older: SignedCheckpoint | None, events: Sequence[str], save: str
) -> Report:
    report = Report(url)
    found = check_server(Server(url, os.environ.get("TALLYSTICK_API_KEY", "")), keys, report, older, events)
    if save and found is not None and report.holds:
        Path(save).write_text(found[1], encoding="utf-8")
    return report


def _read_text(path: str) -> str:
    with Path(path).open("rb") as file:
        content = file.read(MAX_TEXT + 1)
    if len(content) > MAX_TEXT:
        raise UsageError(f"{path} is too large for a key, a proof or a checkpoint")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8") from None
