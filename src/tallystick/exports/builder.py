"""The building of one export: the events below its position, in its format, written to its file."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from uuid import UUID

import msgspec

from tallystick.access import organizations
from tallystick.access.current_scope import current_scope
from tallystick.access.scopes import operator_scope, require
from tallystick.clock import second_words, zone_of
from tallystick.database.engine import Database
from tallystick.errors import Forbidden, TallystickError, Unavailable
from tallystick.events.record import StoredEvent
from tallystick.exports import files
from tallystick.exports.files import HashedFile
from tallystick.exports.request import KINDS, Export
from tallystick.exports.words import describe_filter, describe_period
from tallystick.journal.lost_events import lost_within
from tallystick.journal.missing_ranges import IndexRange, format_missing, missing_within, refuse_missing
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.prover import Prover
from tallystick.query.conditions import EVERYTHING, Query
from tallystick.query.scope import Scope
from tallystick.render.export_pdf import CoverPage
from tallystick.render.json_lines import gaps_line
from tallystick.render.writers import FORMATS, FileDescription
from tallystick.search import scan
from tallystick.search.filters import query_from
from tallystick.store.bounded_rows import size_of
from tallystick.store.events import EventStore
from tallystick.store.reading import extent
from tallystick.work.disk_space import DiskSpace

STEP_EVENTS = 2_000  # events between two checks of whether the export was cancelled
STEP_BYTES = 256 << 10  # and bytes of them: a PDF of large events takes seconds for each megabyte
MAX_RANGES = 200
MAX_MARKED = 100_000_000  # entries of the log, a byte each in memory; for larger logs no ranges are stored
HOLE_WORDS = {"missing": "events that are missing, among positions ", "lost": "events that are lost, at positions "}
_MARKED_RUN = re.compile(rb"\x01+")
ProgressCallback = Callable[[int], None]
"""Called with the progress in thousandths; raises an exception to end the work."""


DeletionState = Callable[[UUID], tuple[bool, Hashable]]
"""For an organization, whether a deletion is in progress, and a value that changes with each finished deletion."""


BuildFunction = Callable[[Export, Scope, HashedFile, ProgressCallback], int]
"""Writes the file of an export that is not a format of events; returns the number of events it covers."""


class BuildWatch(Protocol):
    """Who watches the building of an export; each method raises an exception to end it."""

    def save(self, progress: int) -> None:
        """Take note of the progress in thousandths."""

    def let_others(self) -> None:
        """Let an export of another organization come before this one; call it while nothing is half read."""

    def report(self, progress: int) -> None:
        """Take note of the progress, and let others come before if it is their turn."""


class EventsDeleted(Exception):
    """Events were deleted, or found missing or restored, while a file was built: it may not agree with its records."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A finished file: number of events, size, SHA-256 (hex), and the exported `ranges` (first, last) as JSON.

    `missing`: the ranges whose events it may lack, since the event store does; `lost`: those that are lost for good.
    """

    rows: int
    bytes: int
    sha256: str
    ranges: str
    missing: Sequence[IndexRange] = ()
    lost: Sequence[IndexRange] = ()


class ExportBuilder:
    """Builds files; the caller keeps the state of the export."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        prover: Prover,
        data_dir: Path,
        deletions: DeletionState,
        builders: Mapping[str, BuildFunction],
        most_bytes: int,
        disk: DiskSpace,
    ) -> None:
        """`most_bytes`: of all export files of one organization."""
        self._most_bytes = most_bytes
        self._disk = disk
        self._builders = builders
        self._deletions = deletions
        self._database = database
        self._store = store
        self._prover = prover
        self._data_dir = data_dir

    def build(self, one: Export, watch: "BuildWatch", *, now: int) -> ExportResult:
        """Write the file of an export; TallystickError when it must not or cannot be written, EventsDeleted."""
        self._disk.check()
        space = self.space_left(one.org_id)
        scope = self._scope(one, now)
        marks = bytearray(one.position) if KINDS[one.format].is_whole and one.position <= MAX_MARKED else None
        seen = _EventCounter(marks)
        holes = self._holes(one)
        with files.write_file(files.path_of(self._data_dir, one.org_id, one.export_id), space) as target:
            if one.format in self._builders:
                rows = self._builders[one.format](one, scope, target, watch.report)
            elif one.format == "bundle":
                rows = self._write_bundle(one, scope, query_from(one.filter, now=one.asked_at), target, seen, watch)
            else:
                self._write_events(one, scope, query_from(one.filter, now=one.asked_at), target, seen, watch)
                rows = seen.rows
            watch.report(1000)
            if self._holes(one) != holes:  # the file names others than it has
                raise EventsDeleted
        return ExportResult(rows, target.bytes, target.sha256, _ranges(marks), **holes)

    def _holes(self, one: Export) -> dict[str, list[IndexRange]]:
        """The ranges of `missing` and of `lost` events that a file of events meets, as far as there are any.

        Conflict (`events_missing`) for missing ones unless the export allows them.
        """
        if one.format in self._builders:  # they say themselves what they lack
            return {}
        met: dict[str, Any] = {"first": one.first, "end": one.position}
        met["start"] = query_from(one.filter, now=one.asked_at).start
        scope = operator_scope(one.org_id)
        with self._database.read() as connection:
            missing, lost = missing_within(connection, scope, **met), lost_within(connection, scope, **met)
        if not one.allow_missing:
            refuse_missing(missing)
        return {name: ranges for name, ranges in (("missing", missing), ("lost", lost)) if ranges}

    def space_left(self, org_id: UUID) -> int:
        """The bytes that the organization's next file may have; Conflict (`no_export_space`)."""
        return files.space_left(self._data_dir, org_id, self._most_bytes, self._disk)

    def _scope(self, one: Export, now: int) -> Scope:
        """The requester's scope; Forbidden when the role or the filter is not the one of the request."""
        with self._database.read() as connection:
            scope = current_scope(connection, one.org_id, one.by, now=now)
        require(scope, "exports")
        if scope.role != one.role:
            raise Forbidden(
                f"{one.by.label} requested this as {one.role} and is now {scope.role}. Export again.",
                code="role_changed",
            )
        if scope.view != one.view:
            raise Forbidden(
                f"What {one.by.label} may read has changed since this was requested. Export again.",
                code="role_changed",
            )
        return scope

    def _write_events(
        self,
        one: Export,
        scope: Scope,
        query: Query,
        target: HashedFile,
        seen: "_EventCounter",
        watch: "BuildWatch",
    ) -> None:
        """Write the events, newest first."""
        write = FORMATS[one.format].write
        if write is None:
            raise TallystickError(f"The format {one.format} cannot be written newest first.")
        ends = extent(self._store, scope, query)
        source, span = (self._database, self._store, scope, query), (one.position, one.first)
        with closing(scan.newest_first(*source, *span, let_others=watch.let_others)) as found:
            blocks = seen.count_blocks(found, lambda event: _share_of_time(event, ends), watch.save, self._disk)
            ranges = self._holes(one)
            holes = {name: format_missing(some) for name, some in ranges.items()}
            last_line = gaps_line(ranges) if ranges and one.allow_missing else b""
            about = FileDescription(self._about(one, scope, holes), one.layout, holes, last_line)
            write(blocks, cast("BinaryIO", target), about)

    def _write_bundle(
        self,
        one: Export,
        scope: Scope,
        query: Query,
        target: HashedFile,
        seen: "_EventCounter",
        watch: "BuildWatch",
    ) -> int:
        """Write an evidence bundle, in order of index; returns the number of events.

        Without a filter, for a requester who sees the whole trail, it is a range, which proves that nothing is missing.
        """
        before = self._deletions(one.org_id)
        if before[0]:
            raise EventsDeleted
        is_whole = scope.mandatory == EVERYTHING and query == Query()
        selection = Selection(
            first=one.first if is_whole else None,
            end=one.position if is_whole else None,
            filter={name: list(values) for name, values in one.filter.items()},
            made_by={"type": one.by.kind, "id": one.by.id, "name": one.by.name},
            holes=partial(self._holes, one),
        )
        end = max(one.position, 1)
        found = scan.in_order_of_index(self._database, self._store, scope, query, one.first, one.position)
        blocks = seen.count_blocks(found, lambda event: 1000 * event.index // end, watch.report, self._disk)
        records: Iterable[StoredEvent] = (
            # Also records above the position: they explain what was deleted since the request.
            scan.explanatory_records(self._database, self._store, scope, self._signed_size(scope, one.position))
            if scope.mandatory == EVERYTHING
            else ()
        )
        writer = BundleWriter(self._database, self._prover)
        manifest = writer.write(cast("BinaryIO", target), scope, selection, (list(block) for block in blocks), records)
        if self._deletions(one.org_id) != before:
            raise EventsDeleted
        return seen.rows if is_whole else int(manifest["events"])

    def _signed_size(self, scope: Scope, position: int) -> int:
        """The size of a checkpoint of the whole log, or of the last one when the log cannot be signed now."""
        try:
            return self._prover.checkpoint(scope, covering=self._prover.size(scope)).size
        except Unavailable:
            return self._prover.checkpoint(scope, covering=position).size

    def _about(self, one: Export, scope: Scope, holes: Mapping[str, str]) -> CoverPage:
        if one.format != "pdf":
            return CoverPage()
        zone_name = "".join(one.filter.get("tz", ())[:1]) or "UTC"
        zone = zone_of(zone_name)
        with self._database.read() as connection:
            organization = organizations.of_scope(connection, scope).name
        try:
            note = self._prover.checkpoint(scope, covering=one.position).note
        except TallystickError:  # the log cannot be signed now: the document has no checkpoint
            note = ""
        return CoverPage(
            organization=organization,
            filter=describe_filter(one.filter),
            period=describe_period(one.filter, one.first),
            made_at=second_words(one.asked_at, zone),
            made_by=one.by.label,
            checkpoint=note,
            holes="; ".join(HOLE_WORDS[name] + text for name, text in holes.items()),
            zone=zone,
            zone_name=zone_name,
        )


class _EventCounter:
    """Counts the events of an export, and marks the indexes of those that are complete."""

    def __init__(self, marks: bytearray | None) -> None:
        self.rows = 0
        self._marks = marks

    def count_blocks(
        self,
        blocks: Iterable[Sequence[StoredEvent]],
        share: Callable[[StoredEvent], int],
        watch: ProgressCallback,
        disk: DiskSpace,
    ) -> Iterator[Sequence[StoredEvent]]:
        """Pass the events on in pieces, and report progress after each: `share` gives it from the last event."""
        for block in blocks:
            for piece in _pieces(block):
                yield piece
                self.rows += len(piece)
                if self._marks is not None:
                    for event in piece:
                        self._marks[event.index] = not event.remains
                disk.check()
                watch(min(share(piece[-1]), 999))


def _pieces(events: Sequence[StoredEvent]) -> Iterator[Sequence[StoredEvent]]:
    """The events in pieces of at most STEP_EVENTS and about STEP_BYTES."""
    start = size = 0
    for end, event in enumerate(events, 1):
        size += size_of(event)
        if size >= STEP_BYTES or end - start >= STEP_EVENTS or end == len(events):
            yield events[start:end]
            start, size = end, 0


def _share_of_time(event: StoredEvent, ends: tuple[int, int] | None) -> int:
    first, last = ends or (0, 0)
    return 1000 * (last - event.occurred_at) // max(last - first, 1)


def _ranges(marks: bytearray | None) -> str:
    """The MAX_RANGES longest ranges of marked indexes, as JSON."""
    if marks is None:
        return ""
    runs = sorted((run.span() for run in _MARKED_RUN.finditer(marks)), key=lambda span: span[0] - span[1])
    pairs: Any = sorted((first, end - 1) for first, end in runs[:MAX_RANGES])
    return msgspec.json.encode(pairs).decode()
