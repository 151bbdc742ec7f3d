"""A request on its way to the commit, and its answer."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Sequence
from uuid import UUID

import msgspec

from tallystick.events.intake import Prepared


class Recorded(msgspec.Struct, omit_defaults=True, gc=False):
    """The answer for one event; `duplicate`, `conflict` and the like are only present when true."""

    id: str
    index: int
    timestamp: str
    duplicate: bool
    conflict: bool = False
    clock_skew: bool = False
    expires_soon: bool = False


class RecordingAnswer(msgspec.Struct):
    """The answer for one request; `last_index` is the highest index in it, -1 for none."""

    events: list[Recorded]
    duplicate: bool
    last_index: int

    def body(self) -> bytes:
        """The JSON that the client gets."""
        return msgspec.json.encode({"events": self.events, "duplicate": self.duplicate})


class Submission:
    """The prepared events of one request in the pool; `future` resolves to a RecordingAnswer or an error."""

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
