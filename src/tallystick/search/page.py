"""A page of results, and its cursor."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec

from tallystick.errors import BadRequest
from tallystick.events.record import StoredEvent
from tallystick.journal.missing_ranges import IndexRange

Order = Literal["desc", "asc", "recorded"]
Relation = Literal["exact", "estimate", "at_least"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of results. `partial`: the time ran out before the page was full; `next_cursor` continues.

    `searchable_through` is the highest index up to which every event was stored or set aside before the page was read
    (-1 for none); `retention_start` is in microseconds since 1970 UTC. `missing`: ranges of indexes that the store
    lacks, whose events the page might hold; `lost`: those of events that are lost for good, by a record in the trail.
    """

    data: list[StoredEvent]
    total: int | None
    total_relation: Relation | None
    next_cursor: str | None
    partial: bool
    searchable_through: int
    retention_start: int
    missing: Sequence[IndexRange] = ()
    lost: Sequence[IndexRange] = ()


class Position(msgspec.Struct, array_like=True, frozen=True):
    """The place of a cursor: after the event (occurred_at, index), with `offset` matches still to skip."""

    fingerprint: bytes
    occurred_at: int
    index: int
    offset: int = 0

    def encode(self) -> str:
        """The position as an opaque cursor."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).rstrip(b"=").decode()


def fingerprint(org_id: UUID, order: Order, question: str) -> bytes:
    """A digest of what must be equal when a cursor comes back."""
    return hashlib.sha256(f"{org_id}\0{order}\0{question}".encode()).digest()[:12]


def decode(cursor: str, expected: bytes) -> Position:
    """The position in a cursor. BadRequest if it is malformed or belongs to another query."""
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = msgspec.msgpack.decode(raw, type=Position)
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadRequest("The cursor is invalid. Start again without it.", code="bad_cursor") from error
    if position.fingerprint != expected:
        raise BadRequest(
            "The cursor belongs to other parameters. Send it with the same parameters, or start again without it.",
            code="bad_cursor",
        )
    in_range = -(1 << 62) < position.occurred_at < 1 << 62 and -1 <= position.index < 1 << 62
    if not in_range or not 0 <= position.offset < 1 << 40:
        raise BadRequest("The cursor is invalid. Start again without it.", code="bad_cursor")
    return position
