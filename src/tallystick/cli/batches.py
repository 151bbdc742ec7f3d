"""Events on their way to the server in batches; a refused event never loses its neighbours."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from tallystick.cli.client import Client, Refused

MOST_EVENTS = 1000
MOST_BYTES = 8 << 20
PATIENCE_SECONDS = 120.0
NDJSON = "application/x-ndjson"


@dataclass
class Tally:
    """What became of the events. `conflicts` are among `known`: the id was known, the content differs."""

    new: int = 0
    known: int = 0
    conflicts: int = 0
    refused: int = 0


class Waiting(NamedTuple):
    """One event as it will be sent, and where it was read."""

    place: str
    line: bytes


class Sender:
    """Collects events and sends them; counts in `tally`, tells of each refused event through `refuse`."""

    def __init__(self, client: Client, refuse: Callable[[str, str], None]) -> None:
        self.tally = Tally()
        self._client = client
        self._tell = refuse
        self._waiting: list[Waiting] = []
        self._size = 0

    def add(self, place: str, event: dict[str, Any]) -> None:
        """Take an event; sends what waits when a batch is full."""
        line = msgspec.json.encode(event)
        if len(line) >= MOST_BYTES:
            self.refuse(place, f"the event has {len(line)} bytes, which is too large")
            return
        if len(self._waiting) == MOST_EVENTS or self._size + len(line) + 1 > MOST_BYTES:
            self.flush()
        self._waiting.append(Waiting(place, line))
        self._size += len(line) + 1

    def refuse(self, place: str, problem: str) -> None:
        """Count an event as refused and say why."""
        self.tally.refused += 1
        self._tell(place, problem)

    def flush(self) -> None:
        """Send what waits: refused events are taken out and the rest is sent again.

        What the server says about the request as a whole is raised, and nothing of the batch was recorded then.
        """
        batch, self._waiting, self._size = self._waiting, [], 0
        while batch:
            body = b"\n".join(waiting.line for waiting in batch)
            try:
                answer = self._client.record(body, NDJSON, patience=PATIENCE_SECONDS)
            except Refused as refused:
                bad = refused.problems(len(batch))
                if refused.status != 422 or not bad:
                    raise
                for index, problem in bad.items():
                    self.refuse(batch[index].place, problem)
                batch = [waiting for index, waiting in enumerate(batch) if index not in bad]
            else:
                self._count(answer["events"])
                return

    def _count(self, recorded: list[dict[str, Any]]) -> None:
        known = sum(bool(event.get("duplicate")) for event in recorded)
        self.tally.known += known
        self.tally.new += len(recorded) - known
        self.tally.conflicts += sum(bool(event.get("conflict")) for event in recorded)
