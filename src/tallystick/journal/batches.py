"""Batches of committed records: how they are stored and read back."""

import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload
from uuid import UUID

import msgspec
import zstandard
from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select

from tallystick.errors import TallystickError
from tallystick.events.copies import complete
from tallystick.events.record import Record
from tallystick.journal.tables import journal

# Cheap enough to stay far below the cost of the events, and a fifth of the bytes for the disk to sync.
_LEVEL = 1
MOST_BYTES = 8 << 20
_LARGEST_BODY = 256 << 20
_REMOVE = delete(journal).where(
    journal.c.org_id == bindparam("org"), journal.c.first_index + journal.c.events <= bindparam("stored_end")
)
_records = msgspec.msgpack.Decoder(list[Record])
_record = msgspec.msgpack.Decoder(Record).decode
_frames = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Batch:
    """Records with consecutive indexes, beginning with `first`."""

    org_id: UUID
    first: int
    records: Sequence[Record]

    @property
    def end(self) -> int:
        return self.first + len(self.records)


class EncodedRecords(Sequence[Record]):
    """Records as they are written down, each of which is decoded whenever it is taken.

    For whoever goes through many of them once: decoded, they are several times as large, and all over the memory.
    """

    __slots__ = ("frames",)

    def __init__(self, frames: Sequence[bytes | msgspec.Raw]) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Record]:
        return map(complete, map(_record, self.frames))

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> "EncodedRecords": ...

    def __getitem__(self, place: int | slice) -> "Record | EncodedRecords":
        if isinstance(place, slice):
            return EncodedRecords(self.frames[place])
        return complete(_record(self.frames[place]))


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """As Batch, whose records are not decoded yet."""

    first: int
    frames: Sequence[msgspec.Raw]

    @property
    def end(self) -> int:
        return self.first + len(self.frames)


def write(connection: Connection, org_id: UUID, first: int, frames: Sequence[bytes], span: tuple[int, int]) -> None:
    """Store a batch: `frames` are records in MessagePack, `span` the first and last time of receipt (microseconds)."""
    row = {
        "org_id": org_id, "first_index": first, "events": len(frames),
        "received_from": span[0], "received_to": span[1], "body": encode_batch(frames),
    }  # fmt: skip
    connection.execute(insert(journal), row)


def read(connection: Connection, org_id: UUID, first: int, end: int, *, most: int | None = None) -> list[Batch]:
    """The whole batches that hold any index of first ≤ index < end, in order.

    With `most`, at most about as many events, and fewer where these have more than MOST_BYTES.
    """
    batches: list[Batch] = []
    held, size = 0, 0
    for row in connection.execute(_overlapping(org_id, first, end, most)):
        batches.append(decode_batch(org_id, row))
        held += row.events
        size += sum(record.parts_size for record in batches[-1].records)
        if most is not None and (held >= most or size >= MOST_BYTES):
            break
    return batches


def read_encoded(
    connection: Connection, org_id: UUID, first: int, end: int, *, most: int | None = None
) -> list[EncodedBatch]:
    """The batches that `read` gives, with their records not decoded. ZstdError or ValueError as `decode_body`."""
    batches: list[EncodedBatch] = []
    held, size = 0, 0
    for row in connection.execute(_overlapping(org_id, first, end, most)):
        body = decompress(row.body, _LARGEST_BODY)
        batches.append(EncodedBatch(row.first_index, _frames(body)))
        _check_count(org_id, row, batches[-1].frames)
        held += row.events
        size += len(body)
        if most is not None and (held >= most or size >= MOST_BYTES):
            break
    return batches


def _overlapping(org_id: UUID, first: int, end: int, most: int | None) -> Select[tuple[int, int, bytes]]:
    """The rows of the batches that hold any index of first ≤ index < end, in order; `most` of them."""
    # The batch that holds `first`, found by the primary key: all before it would be read otherwise.
    holder = select(func.max(journal.c.first_index)).where(journal.c.org_id == org_id, journal.c.first_index <= first)
    statement = (
        select(journal.c.first_index, journal.c.events, journal.c.body)
        .where(journal.c.org_id == org_id, journal.c.first_index < end)
        .where(journal.c.first_index >= func.coalesce(holder.scalar_subquery(), 0))
        .where(journal.c.first_index + journal.c.events > first)
        .order_by(journal.c.first_index)
    )
    # A batch holds an event at least; some drivers fetch all that is found.
    return statement if most is None else statement.limit(most)


def first_index(connection: Connection, org_id: UUID, index: int) -> int | None:
    """The first index of the first batch that holds `index` or what comes after it; None if there is none."""
    holds = journal.c.first_index + journal.c.events > index
    found: int | None = connection.execute(
        select(func.min(journal.c.first_index)).where(journal.c.org_id == org_id, holds)
    ).scalar()
    return found


def read_received_within(connection: Connection, org_id: UUID, from_us: int, to_us: int) -> list[Batch]:
    """The batches that may hold an event received in from_us ≤ time ≤ to_us."""
    statement = select(journal.c.first_index, journal.c.events, journal.c.body).where(
        journal.c.org_id == org_id, journal.c.received_from <= to_us, journal.c.received_to >= from_us
    )
    return [decode_batch(org_id, row) for row in connection.execute(statement)]


def remove_stored(connection: Connection, stored_ends: Mapping[UUID, int]) -> None:
    """Delete the batches whose every index is below the stored end of their organization."""
    connection.execute(_REMOVE, [{"org": org_id, "stored_end": end} for org_id, end in stored_ends.items()])


def size(connection: Connection) -> tuple[int, int]:
    """The number of events and of bytes in the journal."""
    row = connection.execute(
        select(func.coalesce(func.sum(journal.c.events), 0), func.coalesce(func.sum(func.length(journal.c.body)), 0))
    ).one()
    return int(row[0]), int(row[1])


def encode_batch(frames: Sequence[bytes]) -> bytes:
    """The body of a batch: records in MessagePack as one array, compressed."""
    return _compressor().compress(_array_header(len(frames)) + b"".join(frames))


def decode_batch(org_id: UUID, row: Any) -> Batch:
    """The batch of a row with `first_index`, `events` and `body`."""
    records = decode_body(row.body)
    _check_count(org_id, row, records)
    return Batch(org_id, row.first_index, records)


def _check_count(org_id: UUID, row: Any, held: Sequence[object]) -> None:
    if len(held) != row.events:
        raise TallystickError(f"journal batch {org_id}/{row.first_index} holds {len(held)} events, not {row.events}")


def decode_body(body: bytes) -> list[Record]:
    """The records of a body. ZstdError or ValueError if it cannot be read."""
    return list(map(complete, _records.decode(decompress(body, _LARGEST_BODY))))


def decompress(frame: bytes, most: int) -> bytes:
    """The content of a zstd frame of at most `most` bytes, whatever it says of its size. ZstdError."""
    size = zstandard.frame_content_size(frame)
    if size > most:
        raise zstandard.ZstdError(f"the frame holds {size:,} bytes")
    return zstandard.ZstdDecompressor().decompress(frame, max_output_size=most)


def _array_header(count: int) -> bytes:
    """The header of a MessagePack array 32 (https://github.com/msgpack/msgpack/blob/master/spec.md)."""
    return struct.pack(">BI", 0xDD, count)


def _compressor() -> zstandard.ZstdCompressor:
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    compressor: zstandard.ZstdCompressor = _local.compressor
    return compressor
