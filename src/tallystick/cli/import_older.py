"""Events of an import that are older than what the organization keeps: found before they are sent."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import typer

from tallystick.cli.client import ApiError, Client
from tallystick.cli.import_batches import MOST_BYTES, MOST_EVENTS, NDJSON, PATIENCE_SECONDS
from tallystick.cli.log_files import STANDARD_INPUT
from tallystick.cli.terminal import counted, note
from tallystick.events.importers.sendable import sendable_event


class Older(StrEnum):
    """What to do with events that are older than what is kept: leave them out, or record them."""

    skip = "skip"
    keep = "keep"


class Answer(StrEnum):
    """What somebody answers who is asked what to do with older events."""

    skip = "skip"
    keep = "keep"
    stop = "stop"


class OlderEvents:
    """Finds events that are older than what is kept; the server decides, which knows rules and legal holds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_known = True  # whether the server can tell
        self.keeps_from: datetime | None = None

    def count(self, events: Iterable[dict[str, Any]]) -> int:
        """How many of these events are older; those that cannot be sent are left out."""
        number, size = 0, 0
        batch: list[bytes] = []
        for event in events:
            try:
                line = msgspec.json.encode(sendable_event(event))
            except ValueError:
                continue
            if len(line) < MOST_BYTES and self._may_be_older(line):
                if len(batch) == MOST_EVENTS or size + len(line) + 1 > MOST_BYTES:
                    number += len(self.positions(batch))
                    batch, size = [], 0
                batch.append(line)
                size += len(line) + 1
        return number + len(self.positions(batch))

    def positions(self, lines: Sequence[bytes]) -> set[int]:
        """The positions of the older of these encoded events; those that the server refuses are not among them."""
        left = [place for place, line in enumerate(lines) if self._may_be_older(line)]
        while left and self._is_known:
            body = b"\n".join(lines[place] for place in left)
            try:
                answer = self._client.preview(body, NDJSON, patience=PATIENCE_SECONDS)
            except ApiError as refused:
                bad = refused.problems(len(left))
                if refused.status in (404, 405):  # a server of before
                    self._is_known = False
                elif refused.status != 422 or not bad:
                    raise
                left = [place for position, place in enumerate(left) if position not in bad]
            else:
                self.keeps_from = msgspec.convert(answer["keeps_from"], datetime)
                return {left[position] for position in answer["older"]}
        return set()

    def _may_be_older(self, line: bytes) -> bool:
        if not self._is_known or self.keeps_from is None:
            return self._is_known
        try:
            return _time(line).timestamp < self.keeps_from
        except (msgspec.DecodeError, TypeError):
            return True


class _Timed(msgspec.Struct):
    timestamp: datetime


_time = msgspec.json.Decoder(_Timed).decode


def choose_older(number: int, older: OlderEvents, choice: Older | None, files: Sequence[str]) -> Older:
    """Say how many events are older than what is kept, and ask what to do with them unless that is chosen already.

    Raises typer.Exit: with 2 if nobody can be asked, with 1 if the answer is to stop.
    """
    if not number or older.keeps_from is None:
        return choice or Older.keep
    since = f"{older.keeps_from:%Y-%m-%d %H:%M} UTC"
    verb = "is" if number == 1 else "are"
    found = f"{counted(number, 'event')} {verb} older than what this organization keeps, which begins at {since}"
    if choice is Older.skip:
        note(f"{found}. Leaving them out.")
    if choice is Older.keep:
        note(f"{found}. They will be recorded, and deleted after a day unless an owner makes the retention longer.")
    if choice is not None:
        return choice
    advice = (
        f"{found}. Recorded now, they would be deleted after a day. To keep them, an owner first makes the retention "
        "longer, on the Retention page"
    )
    if STANDARD_INPUT in files or not (sys.stdin.isatty() and sys.stderr.isatty()):
        note(
            f"{advice}. Nothing was sent. Choose --older=skip to leave them out, or --older=keep to record them until "
            "they are deleted."
        )
        raise typer.Exit(2)
    note(f"{advice}.")
    question = "Leave them out (skip), record them until then (keep), or stop?"
    answer = typer.prompt(question, type=Answer, default=Answer.stop.value, err=True)
    if answer is Answer.stop:
        note("Nothing was sent.")
        raise typer.Exit(1)
    return Older(answer.value)
