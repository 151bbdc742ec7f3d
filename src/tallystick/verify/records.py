"""The records that explain missing events and parts: erasures, purges, losses, and changes of the retention.

A record counts if its inclusion in the log is proven, if Tallystick itself recorded it, and if it is plausible: it
covers only events before itself, and a purge covers only events whose retention was over.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tallystick.verify.entries import PARTS, Malformed, entry_of, read_object
from tallystick.verify.notes import SignedCheckpoint
from tallystick.verify.proofs import parse_hashes
from tallystick.verify.range_index import RangeIndex
from tallystick.verify.report import IndexRanges, Report
from tallystick.verify.tree import Unproven, check_inclusion, leaf_hash

PRUNED, ERASED = "audit_log.pruned", "audit_log.subject_erased"
RETENTION, CREATED = "audit_log.retention_changed", "organization.created"
LOST = "audit_log.events_lost"
ACTIONS = (PRUNED, ERASED, LOST, RETENTION, CREATED)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ProvenRecord:
    """A record with proven inclusion: its action, the indexes and parts it covers; `received_at` in µs since 1970.

    `before` is a purge's cut-off, `days` the retention before and after a change of it.
    """

    index: int
    action: str
    received_at: int
    indexes: IndexRanges
    parts: frozenset[str]
    before: datetime | None = None
    days: tuple[int | None, int | None] = (None, None)


class ProvenRecords:
    """All records of one bundle. Add every line, then `validate`; lookups work after that."""

    def __init__(self, checkpoint: SignedCheckpoint, report: Report) -> None:
        self._checkpoint = checkpoint
        self._report = report
        self._all: dict[int, ProvenRecord] = {}
        self._refused: set[int] = set()
        self._changes: list[ProvenRecord] = []
        self._purged = RangeIndex[ProvenRecord]()
        self._lost = RangeIndex[ProvenRecord]()
        self._erased = {part: RangeIndex[ProvenRecord]() for part in PARTS}

    def add_line(self, line: str, where: str) -> None:
        """Add a line of records.ndjson: an event with the hashes of its inclusion proof. Reports problems."""
        try:
            event = read_object(line)
            hashes = parse_hashes(event.pop("hashes", None))
            index = event.get("index")
            if type(index) is not int:
                raise Malformed("a record must have an index")
            entry, lost = entry_of(event)
            if not {"what", "details"}.isdisjoint(lost):
                raise Malformed("its content was erased")  # its actor may be
            check_inclusion(index, self._checkpoint.size, leaf_hash(entry), hashes, self._checkpoint.root)
            record = parse_record(event)
        except (Malformed, Unproven, ValueError) as error:
            self._report.add_problem(f"{where} is not a valid record: {error}")
            return
        if record is not None:
            self._all[record.index] = record

    def validate(self) -> None:
        """Check the plausibility of all records; an implausible one is a problem and explains nothing."""
        in_order = sorted(self._all.values(), key=lambda one: one.index)
        self._changes = [one for one in in_order if one.days != (None, None)]
        possible: list[ProvenRecord] = []
        for record in in_order:
            problem = self._find_problem(record)
            if problem:
                self._report.add_problem(f"the record {record.index} ({record.action}) {problem}")
            else:
                possible.append(record)
        self._purged = RangeIndex((one.indexes, one) for one in possible if one.action == PRUNED)
        self._lost = RangeIndex((one.indexes, one) for one in possible if one.action == LOST)
        for part in PARTS:
            self._erased[part] = RangeIndex((one.indexes, one) for one in possible if part in one.parts)

    def next_missing(self, index: int) -> int:
        """The first index at or after this one that a record says is missing, or has missing parts; or NEVER."""
        return min(taken.next_from(index) for taken in (self._purged, *self._erased.values()))

    def purges_within(self, first: int, end: int) -> Iterator[tuple[int, int, ProvenRecord | None]]:
        """Divide first ≤ index < end into ranges (first, last, purge); the purge is None where none covers them."""
        return self._purged.split(first, end)

    def losses_within(self, first: int, end: int) -> Iterator[tuple[int, int, ProvenRecord | None]]:
        """Divide first ≤ index < end as `purges_within` does, by the records of events that the server lost.

        Such a record contradicts no event that is there: a copy may have turned up.
        """
        return self._lost.split(first, end)

    def erasure_of(self, index: int, parts: Sequence[str]) -> ProvenRecord | None:
        """The last of the erasures that together explain these missing parts of this event, or None."""
        found: list[ProvenRecord] = []
        for part in parts:
            one = self._erased[part].find(index)
            if one is None:
                return None
            found.append(one)
        return max(found, key=lambda one: one.index, default=None)

    def contradicting_record(self, index: int, kept: Sequence[str] = PARTS) -> ProvenRecord | None:
        """A record that says the event, or one of its remaining parts, is missing although it is not; or None."""
        purge = self._purged.find(index)
        if purge is not None:
            return purge
        found = (self._erased[part].find(index) for part in kept)
        return next((one for one in found if one is not None), None)

    def _find_problem(self, record: ProvenRecord) -> str:
        if record.action not in (PRUNED, ERASED, LOST):
            return ""
        if record.indexes.largest >= record.index:
            return f"covers {record.indexes.largest}, which is not below its own index"
        if record.action == PRUNED:
            days = self._days_at(record.index)
            made = _EPOCH + timedelta(microseconds=record.received_at)
            if record.before is None:
                return "has no cut-off time"
            if days is None:
                return "is a purge, but no record proves how long events had to be kept then"
            if record.before > made - timedelta(days=days):
                return f"purged up to {record.before.isoformat()}, although events had to be kept for {days} days then"
        return ""

    def _days_at(self, index: int) -> int | None:
        """The retention in days when the event at `index` was recorded; None when no record says it."""
        changes = self._changes
        at = bisect_left(changes, index, key=lambda one: one.index)
        if at > 0:
            return changes[at - 1].days[1]
        return changes[0].days[0] if changes else None


def parse_record(event: dict[str, Any]) -> ProvenRecord | None:
    """Parse the record in a proven event; None for an event of another kind. Malformed, ValueError."""
    what, details = read_object(event["what"]), read_object(event["details"])
    action = what.get("action")
    if action not in ACTIONS:
        return None
    if what.get("recorded_by") != {"type": "system", "id": "tallystick", "name": "Tallystick"}:
        raise Malformed("it was not recorded by Tallystick itself")
    said, changed = details.get("metadata") or {}, details.get("changes") or {}
    indexes, parts, before = IndexRanges(), frozenset[str](), None
    days: tuple[int | None, int | None] = (None, None)
    if action in (PRUNED, ERASED, LOST):
        indexes = IndexRanges.read(str(said.get("indexes", "")))
    if action == PRUNED:
        before = datetime.fromisoformat(str(said.get("before", "")))
        if before.tzinfo is None:
            raise Malformed("its cut-off time has no time zone")
    if action == ERASED:
        parts = frozenset(str(said.get("parts", "")).split(","))
        if not parts <= set(PARTS):
            raise Malformed("it names unknown parts")
    if action in (RETENTION, CREATED):
        days = _days(changed.get("retention_days"))
    return ProvenRecord(event["index"], action, event["received_at"], indexes, parts, before, days)


def _days(said: object) -> tuple[int | None, int | None]:
    if type(said) is int:
        return None, said
    if type(said) is dict and type(said.get("before")) is int and type(said.get("after")) is int:
        return said["before"], said["after"]
    raise Malformed("it has no number of days")
