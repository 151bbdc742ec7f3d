"""Copies of committed batches: read from the journal and its tail, as one file for all logs."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import zstandard
from sqlalchemy import Connection, Row, func, select, union_all

from tallystick.copies.tables import copied_logs
from tallystick.errors import Conflict, Outage
from tallystick.ingest.tables import external_ids
from tallystick.journal.batches import decompress
from tallystick.journal.tables import journal, journal_tail
from tallystick.ledger.tables import logs

FORMAT = 1
MOST_BYTES = 16 << 20  # of batches in one file
LARGEST_FILE = 512 << 20
_LARGEST_CONTENT = LARGEST_FILE
_COPIED_END = func.coalesce(copied_logs.c.copied_end, 0)


class JournalGap(Outage):
    """The journal and its tail do not hold all that was committed since the last copy: a full copy is due."""


class CopiedBatch(msgspec.Struct, frozen=True, array_like=True):
    """A batch as the journal has it."""

    first_index: int
    events: int
    body: bytes


class CopiedExternalId(msgspec.Struct, frozen=True, array_like=True):
    """An external id, the index and id of its event, the digest of what was sent, and the event's time."""

    external_id: str
    log_index: int
    event_id: bytes
    digest: bytes
    occurred_at: int


class CopiedLog(msgspec.Struct, frozen=True, array_like=True):
    """What was committed of one log: first ≤ index < end. `root` is that of `end` entries; empty if it is not known."""

    org_id: UUID
    origin_id: str
    origin: str | None
    created_at: int
    first: int
    end: int
    root: bytes
    batches: list[CopiedBatch]
    external_ids: list[CopiedExternalId]


class BatchCopies(msgspec.Struct, frozen=True, array_like=True):
    """The content of one file."""

    format: int
    logs: list[CopiedLog]


_decoder = msgspec.msgpack.Decoder(BatchCopies)


def encode_copies(copied: Sequence[CopiedLog]) -> bytes:
    """The content of a file; a checksum of it is part of it."""
    packer = zstandard.ZstdCompressor(level=1, write_checksum=True)
    return packer.compress(msgspec.msgpack.encode(BatchCopies(FORMAT, list(copied))))


def decode_copies(data: bytes, name: str) -> list[CopiedLog]:
    """What a file holds; Conflict that names it if it was changed or is of a newer version."""
    try:
        found = _decoder.decode(decompress(data, _LARGEST_CONTENT))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise Conflict(f"{name} cannot be read ({error}). Restore to a moment before it with --at.") from None
    if found.format != FORMAT:
        raise Conflict(f"{name} was written by a newer version. Restore with that version.")
    return found.logs


def read_uncopied(connection: Connection, most: int = MOST_BYTES) -> tuple[list[CopiedLog], bool]:
    """What was committed and is not copied, at most about `most` bytes of batches; and whether that is all.

    Raises JournalGap. The connection has one consistent view.
    """
    ahead = connection.execute(
        select(logs, _COPIED_END.label("copied_end"))
        .outerjoin(copied_logs, copied_logs.c.org_id == logs.c.org_id)
        .where(logs.c.size > _COPIED_END)
        .order_by(logs.c.org_id)
    ).all()
    copied: list[CopiedLog] = []
    left = most
    for log in ahead:
        batches, end = [], log.copied_end
        for row in _batches_from(connection, log.org_id, end):
            if row.first_index != end:
                raise JournalGap(f"the journal does not hold index {end} of {log.org_id} any more")
            batches.append(CopiedBatch(row.first_index, row.events, row.body))
            end += row.events
            left -= len(row.body)
            if left <= 0:
                break
        if end < log.size and left > 0:
            raise JournalGap(f"the journal does not hold index {end} of {log.org_id} any more")
        copied.append(_copied_log(connection, log, batches, end))
        if left <= 0:
            return copied, log is ahead[-1] and end == log.size
    return copied, True


def _batches_from(connection: Connection, org_id: UUID, first: int) -> Iterator[Row[Any]]:
    some = [
        select(table.c.first_index, table.c.events, table.c.body).where(
            table.c.org_id == org_id, table.c.first_index >= first
        )
        for table in (journal_tail, journal)
    ]
    both = union_all(*some).order_by("first_index")
    with connection.execute(both, execution_options={"yield_per": 10}) as rows:
        yield from rows


def _copied_log(connection: Connection, log: Row[Any], batches: list[CopiedBatch], end: int) -> CopiedLog:
    known = external_ids.c
    ids = connection.execute(
        select(known.external_id, known.log_index, known.event_id, known.digest, known.occurred_at).where(
            known.org_id == log.org_id, known.log_index >= log.copied_end, known.log_index < end
        )
    )
    return CopiedLog(
        log.org_id, log.origin_id, log.origin, log.created_at, log.copied_end, end,
        log.root if end == log.size else b"", batches, [CopiedExternalId(*row) for row in ids],
    )  # fmt: skip
