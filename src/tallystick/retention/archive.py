"""The archive: files of the events that a purge is about to delete, with their proofs.

Each step of a purge writes `<organization>/<year of the cut-off>/<step>.zip` to a directory or a bucket, an evidence
bundle; beside it the same events as Parquet, and a manifest with the SHA-256 of both. The deletion is recorded in the
log only after all three are written.
"""

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick import ids, telemetry
from tallystick.clock import from_us
from tallystick.database.engine import Database
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import FileMissing, FileStorage
from tallystick.events.record import StoredEvent
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.prover import Prover
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.retention import exported_ranges, index_set
from tallystick.retention.archive_step import SCHEMA, ArchiveManifest, ArchiveStep, events_table
from tallystick.retention.tables import archive_problems, archives
from tallystick.search.scan import explanatory_records, in_order_of_index
from tallystick.store.events import EventStore
from tallystick.work.disk_space import DiskSpace

MARKER_FILE = "tallystick-archive"  # a file at the top, which shows that this is the archive used before
_MARKER_TEXT = b"A Tallystick archive. This file shows the server that it still writes to the same archive.\n"
MAX_GAP = 2_000  # ranges with smaller gaps between them are read together


@dataclass(frozen=True, slots=True)
class ArchivedStep:
    """A step that was written: its ranges of indexes (first, last), and the SHA-256 (hex) of its bundle."""

    step: ArchiveStep
    ranges: tuple[tuple[int, int], ...]
    events: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """An organization's archive; times in µs since 1970. While it has a `problem` nothing is deleted."""

    files: int
    events: int
    last_at: int | None
    problem: str
    since: int | None


def has_marker(objects: FileStorage) -> bool:
    """Whether there is an archive in this directory or bucket. TargetError."""
    try:
        objects.get(MARKER_FILE, io.BytesIO())
    except FileMissing:
        return False
    return True


class Archive:
    """Writes the files of purge steps. TargetError, OSError, StoreError or TallystickError mean that no step is left.

    `data_dir` is for temporary files.
    """

    def __init__(
        self,
        objects: FileStorage,
        data_dir: Path,
        database: Database,
        store: EventStore,
        prover: Prover,
        disk: DiskSpace | None = None,
    ) -> None:
        self.objects = objects
        self.database = database
        self.store = store
        self.prover = prover
        self._data_dir = data_dir
        self._disk = disk or DiskSpace(data_dir)

    def temporary(self) -> Any:
        """A temporary file without a name, which vanishes with the process. Unavailable if the disk is nearly full."""
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._disk.check()
        return tempfile.TemporaryFile(dir=self._data_dir)

    def write(self, scope: Scope, going: Sequence[int], *, before: int) -> ArchivedStep:
        """Write a step of stored events; returns it. Blocks for seconds."""
        text = index_set.format_indexes(going)
        ranges = tuple(index_set.parse_ranges(text))
        self.check_marker()
        step = ArchiveStep.new(scope, f"{from_us(before):%Y}", ranges[0][0])
        try:
            with self.temporary() as bundle, self.temporary() as parquet:
                count = self._write_events(scope, ranges, bundle, parquet)
                # Bundle first: erasures search for bundles, so that no other file with personal data may exist alone.
                sums = {"zip": self.objects.put(step.key("zip"), bundle)}
                sums["parquet"] = self.objects.put(step.key("parquet"), parquet)
            manifest = ArchiveManifest.of(scope, step, before, count, text, sums)
            self.objects.put(step.key("json"), io.BytesIO(manifest.content()))
        except BaseException:
            with suppress(TargetError):
                self.discard(step)
            raise
        return ArchivedStep(step, ranges, count, sums["zip"].sha256)

    def check_marker(self) -> None:
        """Raise TargetError unless this is the archive used before: an empty directory may be an unmounted disk."""
        if has_marker(self.objects):
            return
        with self.database.read() as connection:
            is_new = connection.execute(select(archives.c.name).limit(1)).first() is None
        if not is_new:
            raise TargetError(
                f"This is not the archive that was used before: it has no file {MARKER_FILE}. Check that the disk is "
                "mounted and the bucket is the same. If its files were removed on purpose, create an empty file of "
                "that name."
            )
        self.objects.put(MARKER_FILE, io.BytesIO(_MARKER_TEXT))

    def discard(self, step: ArchiveStep) -> None:
        """Delete a step's files, because its events are not deleted after all."""
        for ending in ("json", "parquet", "zip"):
            self.objects.delete(step.key(ending))

    def record_step(self, connection: Connection, scope: Scope, written: ArchivedStep, *, now: int) -> None:
        """Store that a step was written, and record it in the trail, in the transaction that records the deletion."""
        connection.execute(
            insert(archives).values(
                org_id=scope.org_id,
                archive_id=ids.new_uuid(now),
                name=written.step.key("zip"),
                events=written.events,
                written_at=now,
            )
        )
        connection.execute(delete(archive_problems).where(archive_problems.c.org_id == scope.org_id))
        exported_ranges.add_ranges(connection, scope, written.ranges)
        record_in_trail(connection, scope, "audit_log.archived", written.step, written.sha256, written.events, now=now)
        telemetry.archived_events_total.inc(written.events)

    def explaining_records(self, scope: Scope, size: int) -> Iterator[StoredEvent]:
        """The deletion records that belong into an archived bundle: all but purges, whose events it contains."""
        found = explanatory_records(self.database, self.store, scope, size)
        return (one for one in found if b"audit_log.pruned" not in one.what)

    def _write_events(
        self, scope: Scope, ranges: Sequence[tuple[int, int]], bundle: BinaryIO, parquet: BinaryIO
    ) -> int:
        explaining = self.explaining_records(scope, self.prover.size(scope))
        selection = Selection(filter={"indexes": ",".join(f"{first}-{last}" for first, last in ranges)[:1000]})
        count = 0

        def through(table: Any) -> Iterator[list[StoredEvent]]:
            nonlocal count
            for block in self._events(scope, ranges):
                count += len(block)
                table.write_table(events_table(block))
                yield block

        with closing(pq.ParquetWriter(parquet, SCHEMA, compression="zstd")) as table:
            BundleWriter(self.database, self.prover).write(bundle, scope, selection, through(table), explaining)
        return count

    def _events(self, scope: Scope, ranges: Sequence[tuple[int, int]]) -> Iterator[list[StoredEvent]]:
        wanted = {index for first, last in ranges for index in range(first, last + 1)}
        for first, last in _merge_near(ranges):
            for block in in_order_of_index(self.database, self.store, scope, Query(), first, last + 1):
                found = [event for event in block if event.index in wanted]
                wanted.difference_update(event.index for event in found)
                if found:
                    yield found
        if wanted:
            raise OSError(f"{len(wanted)} events to be archived could not be read")


def record_in_trail(
    connection: Connection, scope: Scope, action: str, step: ArchiveStep, sha256: str, events: int, *, now: int
) -> None:
    """Record in the trail that the archive has a bundle with this SHA-256 (hex)."""
    said = {"file": step.key("zip"), "sha256": sha256, "events": events}
    actor = {"type": "system", "id": "tallystick", "name": "Tallystick"}
    outbox.write(connection, scope.org_id, {"action": action, "actor": actor, "metadata": said}, now=now)


def archive_state(connection: Connection, scope: Scope) -> ArchiveState:
    """The state of an organization's archive."""
    mine = select(func.count(), func.sum(archives.c.events), func.max(archives.c.written_at))
    files, events, last = connection.execute(mine.where(archives.c.org_id == scope.org_id)).one()
    found = connection.execute(select(archive_problems).where(archive_problems.c.org_id == scope.org_id)).first()
    return ArchiveState(files, int(events or 0), last, found.problem if found else "", found.since if found else None)


def save_problem(connection: Connection, scope: Scope, problem: str, *, now: int) -> None:
    """Store why the archive failed: nothing of this organization is deleted until it can be written."""
    telemetry.archive_failures_total.inc()
    mine = archive_problems.c.org_id == scope.org_id
    if not connection.execute(update(archive_problems).where(mine).values(problem=problem[:300])).rowcount:
        connection.execute(insert(archive_problems).values(org_id=scope.org_id, problem=problem[:300], since=now))


def _merge_near(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join ascending ranges with at most MAX_GAP indexes between them."""
    first, last = ranges[0]
    for begin, end in ranges[1:]:
        if begin - last > MAX_GAP:
            yield first, last
            first = begin
        last = end
    yield first, last
