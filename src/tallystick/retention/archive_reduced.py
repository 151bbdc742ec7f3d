"""What the archive loses by an erasure: its steps are looked through, and made again without what was erased.

A step is made again from its bundle: first the table, then the bundle, the manifest last. Whoever stops in between
finds a bundle that still holds too much, or a manifest that speaks of another file, and does it again.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import func, select

from tallystick import clock
from tallystick.database.engine import Database
from tallystick.destinations.file_storage import FileMissing, checksum, read_blocks
from tallystick.destinations.guard import TargetError
from tallystick.events.record import StoredEvent
from tallystick.ledger.reduce_bundle import BundleAltered, BundleReducer, events_in
from tallystick.merkle.remains import lost_parts, mask_of
from tallystick.query.scope import Scope
from tallystick.retention import index_set
from tallystick.retention.archive import Archive, tell
from tallystick.retention.archive_step import SCHEMA, Manifest, Step, folder_of, steps_in, table_of
from tallystick.retention.tables import archives

_manifest = msgspec.json.Decoder(Manifest)
Losses = Mapping[int, int]
"""Which parts (bits) the event at an index must not hold."""


def refuse_unreachable(database: Database, scope: Scope) -> None:
    """Without an archive now: TargetError if there was one, since what it has has to be reached."""
    with database.read() as connection:
        mine = select(func.count()).select_from(archives).where(archives.c.org_id == scope.org_id)
        files = connection.execute(mine).scalar_one()
    if files:
        raise TargetError(
            f"{files} files of this organization were archived, and no archive is configured now. The operator has to "
            "set TALLYSTICK_ARCHIVE_DIR as it was."
        )


class Shelf:
    """The archive as an erasure sees it. Every method blocks and raises TargetError."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._objects = archive.objects

    def steps(self, scope: Scope) -> list[Step]:
        """What there is of an organization, in order; also what no record names."""
        self._archive.be_at_home()
        steps, alone = steps_in(self._objects.keys(f"{folder_of(scope)}/"))
        if alone:
            raise TargetError(
                f"The archived table {alone[0]} has no bundle beside it, by which it could be made again. The operator "
                "has to put that back, or to delete the table."
            )
        return steps

    def events(self, step: Step) -> Iterator[list[StoredEvent]]:
        """The events of a step, block by block."""
        with self._archive.temporary() as bundle:
            if self._fetch(step, bundle):
                yield from _told(step, events_in(bundle))

    def tidy(self, scope: Scope) -> None:
        """Before the first step is made again: what was broken off, and is under no name, goes."""
        self._objects.forget_unfinished(f"{folder_of(scope)}/")

    def lose(self, scope: Scope, step: Step, losses: Losses) -> bool:
        """Make a step again without these parts; False when it holds none of them and is whole."""
        manifest = self._manifest(step)
        if manifest is not None and losses.keys().isdisjoint(index_set.parse_indexes(manifest.indexes)):
            return False
        with self._archive.temporary() as bundle:
            if not self._fetch(step, bundle):
                return False
            is_told = manifest is None or manifest.says(step, "zip", checksum(read_blocks(bundle)))
            if is_told and not _holds(step, bundle, losses):
                for ending in ("zip", "parquet", "json"):
                    self._objects.forget_earlier(step.key(ending))
                return False
            self._make_again(scope, step, bundle, losses, manifest)
        return True

    def _make_again(
        self, scope: Scope, step: Step, bundle: BinaryIO, losses: Losses, manifest: Manifest | None
    ) -> None:
        archive = self._archive
        objects, reducer = archive.objects, BundleReducer(archive.database, archive.prover, scope)
        with archive.temporary() as smaller, archive.temporary() as parquet:
            records = archive.explaining(scope, reducer.size)
            reducer.reduce(bundle, smaller, lambda index: losses.get(index, 0), records)
            events = _write_table(step, smaller, parquet, self._times(step))
            sums = {}
            for ending, file in (("parquet", parquet), ("zip", smaller)):
                if ending == "zip" and manifest is None:  # then nothing else would say that it was made again
                    self._tell(scope, step, checksum(read_blocks(smaller)).sha256, events)
                sums[ending] = objects.put(step.key(ending), file)
                objects.forget_earlier(step.key(ending))
        if manifest is not None:
            self._tell(scope, step, sums["zip"].sha256, events)
            objects.put(step.key("json"), io.BytesIO(manifest.with_sums(step, sums).content()))
            objects.forget_earlier(step.key("json"))

    def _tell(self, scope: Scope, step: Step, sha256: str, events: int) -> None:
        with self._archive.database.write() as connection:
            tell(connection, scope, "audit_log.archive_erased", step, sha256, events, now=clock.now_us())

    def _fetch(self, step: Step, bundle: BinaryIO) -> bool:
        try:
            self._objects.get(step.key("zip"), bundle)
        except FileMissing:  # gone since it was listed
            return False
        return True

    def _manifest(self, step: Step) -> Manifest | None:
        found = io.BytesIO()
        try:
            self._objects.get(step.key("json"), found)
            return _manifest.decode(found.getvalue())
        except (FileMissing, msgspec.DecodeError, ValueError):
            return None

    def _times(self, step: Step) -> dict[int, int]:
        """When events happened whose bundle does not say it any more; the table does."""
        with self._archive.temporary() as parquet:
            try:
                self._objects.get(step.key("parquet"), parquet)
                parquet.seek(0)
                table = pq.read_table(parquet, columns=["index", "occurred_at"])
            except (FileMissing, pa.ArrowInvalid, OSError):
                return {}
        found = zip(table["index"].to_pylist(), table["occurred_at"].cast(pa.int64()).to_pylist(), strict=True)
        return dict(found)


def _holds(step: Step, bundle: BinaryIO, losses: Losses) -> bool:
    """Whether an event holds a part that it must not."""
    events = (event for block in _told(step, events_in(bundle)) for event in block)
    return any(losses.get(event.index, 0) & ~mask_of(lost_parts(event.remains)) for event in events)


def _write_table(step: Step, bundle: BinaryIO, parquet: BinaryIO, times: Mapping[int, int]) -> int:
    count = 0
    with closing(pq.ParquetWriter(parquet, SCHEMA, compression="zstd")) as table:
        for block in _told(step, events_in(bundle)):
            table.write_table(table_of([one if one.occurred_at else _timed(one, times) for one in block]))
            count += len(block)
    return count


def _timed(event: StoredEvent, times: Mapping[int, int]) -> StoredEvent:
    return msgspec.structs.replace(event, occurred_at=times.get(event.index, event.received_at))


def _told(step: Step, blocks: Iterator[list[StoredEvent]]) -> Iterator[list[StoredEvent]]:
    try:
        yield from blocks
    except BundleAltered as error:
        raise TargetError(f"The archived file {step.key('zip')} is damaged, or was changed: {error}.") from None
