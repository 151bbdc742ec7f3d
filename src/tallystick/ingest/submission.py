"""A request on its way to the commit, and its answer."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from tallystick.events.prepared import Prepared
from tallystick.events.schema_check import SchemaWarning
from tallystick.ingest.dropped_events import Drops


class Recorded(msgspec.Struct, omit_defaults=True, gc=False):
    """The answer for one event; `conflict` and what follows it are only present when true or not empty.

    That for a dropped event has nothing but `dropped`, the id of the rule.
    """

    id: str = ""
    index: int = -1
    timestamp: str = ""
    duplicate: bool | UnsetType = UNSET
    conflict: bool = False
    clock_skew: bool = False
    expires_soon: bool = False
    dropped: str = ""
    schema_warnings: tuple[SchemaWarning, ...] = ()


class RecordingAnswer(msgspec.Struct):
    """The answer for one request; `last_index` is the highest index in it, -1 for none."""

    events: list[Recorded]
    duplicate: bool
    last_index: int

    def body(self) -> bytes:
        """The JSON that the client gets."""
        return msgspec.json.encode({"events": self.events, "duplicate": self.duplicate})


class RecordingPreview(msgspec.Struct):
    """What recording a request would do: the positions of events that have expired and are not known already.

    Events at `keeps_from` (RFC 3339) or later are kept, whatever they are.
    """

    older: list[int]
    keeps_from: str


class KnownEvent(msgspec.Struct, frozen=True, gc=False):
    """The event that an external id stands for; `digest` is that of its input, b"" if it cannot be compared."""

    event_id: bytes
    index: int
    occurred_at: int
    digest: bytes


class Submission:
    """The prepared events of one request in the pool; `future` resolves to a RecordingAnswer or an error.

    `drops` are the events of the request that a rule has dropped: they are not among the prepared ones.

    `held` are those that the log holds already without an external id, by the external id that they came with.
    """

    __slots__ = ("body_digest", "drops", "future", "held", "idempotency_key", "loop", "org_id", "prepared", "size")

    def __init__(
        self,
        org_id: UUID,
        prepared: Sequence[Prepared],
        future: "Future[RecordingAnswer]",
        loop: AbstractEventLoop,
        *,
        idempotency_key: str | None = None,
        body_digest: bytes = b"",
        held: Mapping[str, KnownEvent] = {},
        drops: Drops | None = None,
    ) -> None:
        self.org_id = org_id
        self.prepared = prepared
        self.future = future
        self.loop = loop
        self.idempotency_key = idempotency_key
        self.body_digest = body_digest
        self.held = held
        self.drops = drops
        self.size = sum([len(one.frame) for one in prepared])
