"""Erasure in the archive: its steps are searched, and rewritten without the erased parts.

A step is rewritten from its bundle: first the Parquet table, then the bundle, the manifest last. After a crash in
between, the bundle still has erased parts or the manifest does not match it, so the step is rewritten again.
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
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import FileMissing, checksum, read_blocks
from tallystick.events.record import StoredEvent
from tallystick.ledger.reduce_bundle import BundleAltered, BundleReducer, events_in
from tallystick.merkle.remains import lost_parts, mask_of
from tallystick.query.scope import Scope
from tallystick.retention import index_set
from tallystick.retention.archive import Archive, record_in_trail
from tallystick.retention.archive_step import SCHEMA, ArchiveManifest, ArchiveStep, events_table, folder_of, steps_in
from tallystick.retention.tables import archives

_manifest = msgspec.json.Decoder(ArchiveManifest)
ErasedParts = Mapping[int, int]
"""The erased parts (bits) of the event at each index."""


def require_archive(database: Database, scope: Scope) -> None:
    """Raise TargetError when events were archived before: for a server without a configured archive."""
    with database.read() as connection:
        mine = select(func.count()).select_from(archives).where(archives.c.org_id == scope.org_id)
        files = connection.execute(mine).scalar_one()
    if files:
        raise TargetError(
            f"{files} files of this organization are in an archive, but no archive is configured. The operator must "
            "set TALLYSTICK_ARCHIVE_DIR as before."
        )


class ArchiveEraser:
    """Finds and rewrites archived steps for an erasure. Every method blocks and may raise TargetError."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._objects = archive.objects

    def steps(self, scope: Scope) -> list[ArchiveStep]:
        """All steps of an organization in the archive, in order, also those that no record names."""
        self._archive.check_marker()
        steps, alone = steps_in(self._objects.keys(f"{folder_of(scope)}/"))
        if alone:
            raise TargetError(
                f"The archived table {alone[0]} has no bundle beside it, which an erasure needs. The operator "
                "must restore the bundle or delete the table."
            )
        return steps

    def events(self, step: ArchiveStep) -> Iterator[list[StoredEvent]]:
        """The events of a step, in blocks."""
        with self._archive.temporary() as bundle:
            if self._fetch(step, bundle):
                yield from _checked_blocks(step, events_in(bundle))

    def remove_unfinished(self, scope: Scope) -> None:
        """Delete unfinished uploads of an organization, before its first step is rewritten."""
        self._objects.delete_interrupted_uploads(f"{folder_of(scope)}/")

    def erase_parts(self, scope: Scope, step: ArchiveStep, losses: ErasedParts) -> bool:
        """Rewrite a step without these parts; False when it has none of them and its files match the manifest."""
        manifest = self._manifest(step)
        if manifest is not None and losses.keys().isdisjoint(index_set.parse_indexes(manifest.indexes)):
            return False
        with self._archive.temporary() as bundle:
            if not self._fetch(step, bundle):
                return False
            is_told = manifest is None or manifest.matches(step, "zip", checksum(read_blocks(bundle)))
            if is_told and not _has_parts(step, bundle, losses):
                for ending in ("zip", "parquet", "json"):
                    self._objects.delete_earlier_versions(step.key(ending))
                return False
            self._rewrite(scope, step, bundle, losses, manifest)
        return True

    def _rewrite(
        self, scope: Scope, step: ArchiveStep, bundle: BinaryIO, losses: ErasedParts, manifest: ArchiveManifest | None
    ) -> None:
        archive = self._archive
        objects, reducer = archive.objects, BundleReducer(archive.database, archive.prover, scope)
        with archive.temporary() as smaller, archive.temporary() as parquet:
            records = archive.explaining_records(scope, reducer.size)
            reducer.reduce(bundle, smaller, lambda index: losses.get(index, 0), records)
            events = _write_table(step, smaller, parquet, self._times(step))
            sums = {}
            for ending, file in (("parquet", parquet), ("zip", smaller)):
                # Without a manifest a crash after this file would leave no sign that it must be recorded.
                if ending == "zip" and manifest is None:
                    self._tell(scope, step, checksum(read_blocks(smaller)).sha256, events)
                sums[ending] = objects.put(step.key(ending), file)
                objects.delete_earlier_versions(step.key(ending))
        if manifest is not None:
            self._tell(scope, step, sums["zip"].sha256, events)
            objects.put(step.key("json"), io.BytesIO(manifest.with_checksums(step, sums).content()))
            objects.delete_earlier_versions(step.key("json"))

    def _tell(self, scope: Scope, step: ArchiveStep, sha256: str, events: int) -> None:
        with self._archive.database.write() as connection:
            record_in_trail(connection, scope, "audit_log.archive_erased", step, sha256, events, now=clock.now_us())

    def _fetch(self, step: ArchiveStep, bundle: BinaryIO) -> bool:
        try:
            self._objects.get(step.key("zip"), bundle)
        except FileMissing:  # deleted since it was listed
            return False
        return True

    def _manifest(self, step: ArchiveStep) -> ArchiveManifest | None:
        found = io.BytesIO()
        try:
            self._objects.get(step.key("json"), found)
            return _manifest.decode(found.getvalue())
        except (FileMissing, msgspec.DecodeError, ValueError):
            return None

    def _times(self, step: ArchiveStep) -> dict[int, int]:
        """The times of events (µs since 1970) by index, from the table: the bundle may have lost them."""
        with self._archive.temporary() as parquet:
            try:
                self._objects.get(step.key("parquet"), parquet)
                parquet.seek(0)
                table = pq.read_table(parquet, columns=["index", "occurred_at"])
            except (FileMissing, pa.ArrowInvalid, OSError):
                return {}
        found = zip(table["index"].to_pylist(), table["occurred_at"].cast(pa.int64()).to_pylist(), strict=True)
        return dict(found)


def _has_parts(step: ArchiveStep, bundle: BinaryIO, losses: ErasedParts) -> bool:
    """Whether an event of the bundle still has a part that was erased."""
    events = (event for block in _checked_blocks(step, events_in(bundle)) for event in block)
    return any(losses.get(event.index, 0) & ~mask_of(lost_parts(event.remains)) for event in events)


def _write_table(step: ArchiveStep, bundle: BinaryIO, parquet: BinaryIO, times: Mapping[int, int]) -> int:
    count = 0
    with closing(pq.ParquetWriter(parquet, SCHEMA, compression="zstd")) as table:
        for block in _checked_blocks(step, events_in(bundle)):
            table.write_table(events_table([one if one.occurred_at else _with_time(one, times) for one in block]))
            count += len(block)
    return count


def _with_time(event: StoredEvent, times: Mapping[int, int]) -> StoredEvent:
    return msgspec.structs.replace(event, occurred_at=times.get(event.index, event.received_at))


def _checked_blocks(step: ArchiveStep, blocks: Iterator[list[StoredEvent]]) -> Iterator[list[StoredEvent]]:
    try:
        yield from blocks
    except BundleAltered as error:
        raise TargetError(f"The archived file {step.key('zip')} is damaged, or was changed: {error}.") from None
