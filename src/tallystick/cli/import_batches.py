"""Sends events to the server in batches; a refused event does not affect the others of its batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from tallystick.cli.client import ApiError, Client
from tallystick.events.importers.own_export import is_imported_record
from tallystick.events.importers.sendable import sendable_event

MOST_EVENTS = 1000
MOST_BYTES = 8 << 20
PATIENCE_SECONDS = 120.0
NDJSON = "application/x-ndjson"


@dataclass
class ImportCounts:
    """How many events were recorded, known already, or refused.

    `conflicts` counts those of `known` whose external id was recorded with different content. `imported`: records of
    another Tallystick about itself, recorded under `imported.audit_log.…`, which are not counted in `new`. `dropped`:
    those that an intake rule of the organization dropped. `older`: those left out because they are older than what is
    kept; `expires_soon`: of the new ones, those that are, so that a purge deletes them.
    """

    new: int = 0
    known: int = 0
    conflicts: int = 0
    refused: int = 0
    imported: int = 0
    dropped: int = 0
    older: int = 0
    expires_soon: int = 0

    @property
    def words(self) -> str:
        """`30 new, 0 known already, 0 refused`, and what stands beside these."""
        different = f" ({self.conflicts:,} with different content: the first version is kept)" if self.conflicts else ""
        counts = f"{self.new:,} new, {self.known:,} known already{different}, {self.refused:,} refused"
        records = "record of another audit log" if self.imported == 1 else "records of another audit log"
        beside = f"; {self.imported:,} {records} about itself, kept as imported.audit_log.*" if self.imported else ""
        dropped = f"; {self.dropped:,} dropped by intake rules of the organization" if self.dropped else ""
        older = f"; {self.older:,} left out, older than what is kept" if self.older else ""
        soon = f"; {self.expires_soon:,} older than what is kept: deleted after a day" if self.expires_soon else ""
        return counts + beside + dropped + older + soon


class QueuedEvent(NamedTuple):
    """An encoded event that waits for its batch; `location` is the file and line that it was read from."""

    location: str
    line: bytes
    is_imported_record: bool


class EventSender:
    """Collects events into batches and sends them.

    `counts` holds the result so far; `report_refusal(location, problem)` is called for each refused event.
    `earlier_forms` make of an event what versions before made of the same record: one that was recorded with that
    content is no conflict.
    """

    def __init__(
        self,
        client: Client,
        report_refusal: Callable[[str, str], None],
        earlier_forms: Sequence[Callable[[dict[str, Any]], dict[str, Any]]] = (),
        find_older: Callable[[Sequence[bytes]], set[int]] | None = None,
    ) -> None:
        """`find_older` returns the positions of the encoded events that are left out, as older than what is kept."""
        self.counts = ImportCounts()
        self._earlier_forms = earlier_forms
        self._find_older = find_older
        self._client = client
        self._report_refusal = report_refusal
        self._waiting: list[QueuedEvent] = []
        self._size = 0

    def add(self, location: str, event: dict[str, Any]) -> None:
        """Adds an event; sends the batch when it is full. One without a time is refused."""
        try:
            event = sendable_event(event)
        except ValueError as problem:
            self.refuse(location, str(problem))
            return
        line = msgspec.json.encode(event)
        if len(line) >= MOST_BYTES:
            self.refuse(location, f"the event has {len(line)} bytes, which is too large")
            return
        if len(self._waiting) == MOST_EVENTS or self._size + len(line) + 1 > MOST_BYTES:
            self.flush()
        self._waiting.append(QueuedEvent(location, line, is_imported_record(str(event.get("action")))))
        self._size += len(line) + 1

    def refuse(self, location: str, problem: str) -> None:
        """Counts an event as refused and reports the problem."""
        self.counts.refused += 1
        self._report_refusal(location, problem)

    def flush(self) -> None:
        """Sends the current batch; if the server refuses some of its events, sends it again without them.

        Raises ApiError if the request as a whole is refused; nothing of the batch is recorded in that case.
        """
        batch, self._waiting, self._size = self._waiting, [], 0
        if self._find_older is not None and batch:
            older = self._find_older([waiting.line for waiting in batch])
            self.counts.older += len(older)
            batch = [waiting for place, waiting in enumerate(batch) if place not in older]
        while batch:
            body = b"\n".join(waiting.line for waiting in batch)
            try:
                answer = self._client.record(body, NDJSON, patience=PATIENCE_SECONDS)
            except ApiError as refused:
                bad = refused.problems(len(batch))
                if refused.status != 422 or not bad:
                    raise
                for index, problem in bad.items():
                    self.refuse(batch[index].location, problem)
                batch = [waiting for index, waiting in enumerate(batch) if index not in bad]
            else:
                self._count(batch, answer["events"])
                return

    def _count(self, batch: Sequence[QueuedEvent], recorded: list[dict[str, Any]]) -> None:
        different = []
        for sent, event in zip(batch, recorded, strict=True):
            self.counts.expires_soon += bool(event.get("expires_soon"))
            if event.get("dropped"):
                self.counts.dropped += 1
            elif event.get("duplicate"):
                self.counts.known += 1
                if event.get("conflict"):
                    different.append(sent.line)
            elif sent.is_imported_record:
                self.counts.imported += 1
            else:
                self.counts.new += 1
        self.counts.conflicts += self._count_conflicts(different)

    def _count_conflicts(self, lines: Sequence[bytes]) -> int:
        """How many of these known events were recorded with other content, also in their earlier forms.

        None is recorded by this, since their external ids are known.
        """
        for earlier_form in self._earlier_forms if lines else ():
            body = b"\n".join(msgspec.json.encode(earlier_form(msgspec.json.decode(line))) for line in lines)
            answer = self._client.record(body, NDJSON, patience=PATIENCE_SECONDS)
            lines = [line for line, event in zip(lines, answer["events"], strict=True) if event.get("conflict")]
            if not lines:
                break
        return len(lines)
