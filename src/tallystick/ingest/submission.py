"""A request on its way to the commit, and what comes of it."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Sequence
from uuid import UUID

import msgspec

from tallystick.events.intake import Prepared


class Recorded(msgspec.Struct, omit_defaults=True, gc=False):
    """The answer for one event; the marks behind `duplicate` stand there only when they are true."""

    id: str
    index: int
    timestamp: str
    duplicate: bool
    conflict: bool = False
    clock_skew: bool = False
    expires_soon: bool = False


class RecordingAnswer(msgspec.Struct):
    """The answer for one request; `last_index` is the highest index that it speaks of, -1 for none."""

    events: list[Recorded]
    duplicate: bool
    last_index: int

    def body(self) -> bytes:
        """The JSON that the client gets."""
        return msgspec.json.encode({"events": self.events, "duplicate": self.duplicate})


class Submission:
    """One request's prepared events, waiting in the pool; `future` gets an Answer or an error."""

    __slots__ = ("body_digest", "future", "idempotency_key", "loop", "org_id", "prepared", "size")

    def __init__(
        self,
        org_id: UUID,
        prepared: Sequence[Prepared],
        future: "Future[RecordingAnswer]",
        loop: AbstractEventLoop,
        *,
        idempotency_key: str | None = None,
        body_digest: bytes = b"",
    ) -> None:
        self.org_id = org_id
        self.prepared = prepared
        self.future = future
        self.loop = loop
        self.idempotency_key = idempotency_key
        self.body_digest = body_digest
        self.size = sum([len(one.frame) for one in prepared])
