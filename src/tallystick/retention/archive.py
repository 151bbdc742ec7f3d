"""The archive: what a purge is about to delete is written to files first, with its proofs.

`<organization>/<year of the cut-off>/<step>.zip` in a directory or a bucket, a bundle that the verifier checks; beside
it the same events as Parquet, and a manifest with the SHA-256 of both. Nothing is announced before all three are there.
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
from tallystick.destinations.file_storage import FileMissing, FileStorage
from tallystick.destinations.guard import TargetError
from tallystick.events.record import StoredEvent
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.prover import Prover
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.retention import exported, index_set
from tallystick.retention.archive_step import SCHEMA, Manifest, Step, table_of
from tallystick.retention.tables import archive_problems, archives
from tallystick.search.scan import in_order_of_index, records
from tallystick.store.events import EventStore

HOME = "tallystick-archive"  # a file at the top: by it the place is known again
_WELCOME = b"Files of a Tallystick archive. By this one the server sees that it writes to the same place as before.\n"
NEAR = 2_000  # indexes so close to each other are read together


@dataclass(frozen=True, slots=True)
class Archived:
    """One step as it was written."""

    step: Step
    ranges: tuple[tuple[int, int], ...]
    events: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """What an organization has in the archive; times in microseconds. With a `problem` nothing is deleted."""

    files: int
    events: int
    last_at: int | None
    problem: str
    since: int | None


def is_known(objects: FileStorage) -> bool:
    """Whether an archive has begun at this place. TargetError."""
    try:
        objects.get(HOME, io.BytesIO())
    except FileMissing:
        return False
    return True


class Archive:
    """Writes steps. Raises TargetError, OSError, StoreError or TallystickError; then nothing of the step counts.

    `data_dir` is for files without a name, while they are made.
    """

    def __init__(
        self, objects: FileStorage, data_dir: Path, database: Database, store: EventStore, prover: Prover
    ) -> None:
        self.objects = objects
        self.database = database
        self.store = store
        self.prover = prover
        self._data_dir = data_dir

    def temporary(self) -> Any:
        """A file of no name: a crash leaves nothing of it."""
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._data_dir)

    def write(self, scope: Scope, going: Sequence[int], *, before: int) -> Archived:
        """Write these events, which are there. Blocks for seconds."""
        text = index_set.format_indexes(going)
        ranges = tuple(index_set.parse_ranges(text))
        self.be_at_home()
        step = Step.new(scope, f"{from_us(before):%Y}", ranges[0][0])
        try:
            with self.temporary() as bundle, self.temporary() as parquet:
                count = self._write_events(scope, ranges, bundle, parquet)
                # The bundle first: what an erasure looks for is bundles, whatever a crash leaves beside them.
                sums = {"zip": self.objects.put(step.key("zip"), bundle)}
                sums["parquet"] = self.objects.put(step.key("parquet"), parquet)
            manifest = Manifest.of(scope, step, before, count, text, sums)
            self.objects.put(step.key("json"), io.BytesIO(manifest.content()))
        except BaseException:
            with suppress(TargetError):
                self.discard(step)
            raise
        return Archived(step, ranges, count, sums["zip"].sha256)

    def be_at_home(self) -> None:
        """See that this is the place where the archive was: an empty directory may be a disk that is not mounted."""
        if is_known(self.objects):
            return
        with self.database.read() as connection:
            is_new = connection.execute(select(archives.c.name).limit(1)).first() is None
        if not is_new:
            raise TargetError(
                f"The archive is not where it was: it has no file {HOME}. Is the disk mounted, the bucket the same? "
                "If its files were removed for good, put an empty file of that name there."
            )
        self.objects.put(HOME, io.BytesIO(_WELCOME))

    def discard(self, step: Step) -> None:
        """What was written is not deleted after all."""
        for ending in ("json", "parquet", "zip"):
            self.objects.delete(step.key(ending))

    def note(self, connection: Connection, scope: Scope, written: Archived, *, now: int) -> None:
        """In the transaction that announces the deletion: what was written, in the trail too."""
        connection.execute(
            insert(archives).values(
                org_id=scope.org_id, archive_id=ids.new_uuid(now), name=written.step.key("zip"), events=written.events,
                written_at=now,
            )
        )  # fmt: skip
        connection.execute(delete(archive_problems).where(archive_problems.c.org_id == scope.org_id))
        exported.note(connection, scope, written.ranges)
        tell(connection, scope, "audit_log.archived", written.step, written.sha256, written.events, now=now)
        telemetry.archived_events_total.inc(written.events)

    def explaining(self, scope: Scope, size: int) -> Iterator[StoredEvent]:
        """The records that belong into a bundle of the archive: all but those of the purge that filled it."""
        found = records(self.database, self.store, scope, size)
        return (one for one in found if b"audit_log.pruned" not in one.what)

    def _write_events(
        self, scope: Scope, ranges: Sequence[tuple[int, int]], bundle: BinaryIO, parquet: BinaryIO
    ) -> int:
        explaining = self.explaining(scope, self.prover.size(scope))
        selection = Selection(filter={"indexes": ",".join(f"{first}-{last}" for first, last in ranges)[:1000]})
        count = 0

        def through(table: Any) -> Iterator[list[StoredEvent]]:
            nonlocal count
            for block in self._events(scope, ranges):
                count += len(block)
                table.write_table(table_of(block))
                yield block

        with closing(pq.ParquetWriter(parquet, SCHEMA, compression="zstd")) as table:
            BundleWriter(self.database, self.prover).write(bundle, scope, selection, through(table), explaining)
        return count

    def _events(self, scope: Scope, ranges: Sequence[tuple[int, int]]) -> Iterator[list[StoredEvent]]:
        wanted = {index for first, last in ranges for index in range(first, last + 1)}
        for first, last in _together(ranges):
            for block in in_order_of_index(self.database, self.store, scope, Query(), first, last + 1):
                found = [event for event in block if event.index in wanted]
                wanted.difference_update(event.index for event in found)
                if found:
                    yield found
        if wanted:
            raise OSError(f"{len(wanted)} events that are to be archived could not be read")


def tell(connection: Connection, scope: Scope, action: str, step: Step, sha256: str, events: int, *, now: int) -> None:
    """In the trail: which bundle the archive has, and by which SHA-256 it is known."""
    said = {"file": step.key("zip"), "sha256": sha256, "events": events}
    actor = {"type": "system", "id": "tallystick", "name": "Tallystick"}
    outbox.write(connection, scope.org_id, {"action": action, "actor": actor, "metadata": said}, now=now)


def state(connection: Connection, scope: Scope) -> ArchiveState:
    """How an organization's archive stands."""
    mine = select(func.count(), func.sum(archives.c.events), func.max(archives.c.written_at))
    files, events, last = connection.execute(mine.where(archives.c.org_id == scope.org_id)).one()
    found = connection.execute(select(archive_problems).where(archive_problems.c.org_id == scope.org_id)).first()
    return ArchiveState(files, int(events or 0), last, found.problem if found else "", found.since if found else None)


def note_problem(connection: Connection, scope: Scope, problem: str, *, now: int) -> None:
    """The archive failed: nothing of this organization is deleted until it is written."""
    telemetry.archive_failures_total.inc()
    mine = archive_problems.c.org_id == scope.org_id
    if not connection.execute(update(archive_problems).where(mine).values(problem=problem[:300])).rowcount:
        connection.execute(insert(archive_problems).values(org_id=scope.org_id, problem=problem[:300], since=now))


def _together(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges that are near each other as one."""
    first, last = ranges[0]
    for begin, end in ranges[1:]:
        if begin - last > NEAR:
            yield first, last
            first = begin
        last = end
    yield first, last
