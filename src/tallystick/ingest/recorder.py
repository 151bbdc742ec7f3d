"""The recorder: records the events of a request."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from tallystick import clock, ids, telemetry
from tallystick.actions.catalogues import ActionCatalogues
from tallystick.clock import rfc3339
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, TallystickError, Unavailable
from tallystick.events.geoip import FindAddress
from tallystick.events.intake import read_request
from tallystick.events.prepared import Prepared
from tallystick.ingest.commit import body_digest, known_external_ids
from tallystick.ingest.dropped_events import DropFilter, Drops, drop_none
from tallystick.ingest.held_events import FindEvents, event_ids_of, held_events, same_events
from tallystick.ingest.late_events import ExpiryCheck
from tallystick.ingest.pool import Pool
from tallystick.ingest.sequencer import Sequencer
from tallystick.ingest.submission import KnownEvent, RecordingAnswer, RecordingPreview, Submission
from tallystick.ledger.tables import logs
from tallystick.query.scope import Scope
from tallystick.work.disk_space import DiskSpace
from tallystick.work.fair_limiter import Shares
from tallystick.work.fair_thread_pool import FairThreadPool

WAIT_SECONDS = 10.0
# Below this a body is prepared faster than a thread takes it over.
SMALL_BODY = 4 << 10
# Preparing computes: two threads at once for one organization, and one that is left to others.
PREPARING = Shares(places=3, of_organization=2, of_principal=2, waiting=800)
_KEY_LENGTH = 255


class Recorder:
    """Records events. One per process; call `record` on the event loop."""

    def __init__(
        self,
        database: Database,
        pool: Pool,
        sequencer: Sequencer,
        redacted_keys: frozenset[str],
        disk: DiskSpace,
        find_events: FindEvents,
        catalogues: ActionCatalogues,
        find_address: FindAddress | None = None,
        drop_filter: DropFilter = drop_none,
    ) -> None:
        self._database = database
        self._pool = pool
        self._sequencer = sequencer
        self._redacted_keys = redacted_keys
        self._disk = disk
        self._find_events = find_events
        self._catalogues = catalogues
        self._find_address = find_address
        self._drop_filter = drop_filter
        self._preparing = FairThreadPool(PREPARING, "recording requests")

    async def record(
        self, scope: Scope, body: bytes, content_type: str, *, idempotency_key: str | None = None
    ) -> RecordingAnswer:
        """Record a request's events, all or none. On return they are on disk, ordered and in the log.

        `body` is unpacked. Raises Invalid, BadRequest, TooLarge, UnsupportedMedia, Conflict, TooMany or
        Unavailable.
        """
        if idempotency_key is not None and not 1 <= len(idempotency_key) <= _KEY_LENGTH:
            raise BadRequest(f"Idempotency-Key must have 1 to {_KEY_LENGTH} characters.", code="bad_idempotency_key")
        self._check_disk()
        try:
            prepared, drops, digest = await self._prepare(
                scope, body, content_type, with_digest=idempotency_key is not None
            )
            held = await self._look_up_imports(scope, prepared)
        except TallystickError as error:
            telemetry.ingest_refused_total.labels(error.code).inc()
            raise
        loop = asyncio.get_running_loop()
        future: asyncio.Future[RecordingAnswer] = loop.create_future()
        submission = Submission(
            scope.org_id, prepared, future, loop,
            idempotency_key=idempotency_key, body_digest=digest, held=held, drops=drops,
        )  # fmt: skip
        try:
            self._pool.join(submission)
        except Unavailable as error:
            telemetry.ingest_refused_total.labels(error.code).inc()
            raise
        answer = await future
        if any(one.conflict for one in answer.events):
            await self._accept_exported(scope, prepared, answer)
        return answer

    async def preview(self, scope: Scope, body: bytes, content_type: str) -> RecordingPreview:
        """Check a request's events as `record` does, and find those that have expired. Nothing is recorded.

        Raises Invalid, BadRequest, TooLarge, UnsupportedMedia, TooMany or Unavailable.
        """
        prepared, drops, _ = await self._prepare(scope, body, content_type, with_digest=False)
        held = await self._look_up_imports(scope, prepared)
        places = range(len(prepared) + (drops.events if drops else 0))
        left = [place for place in places if drops is None or place not in drops.rules]
        return await self._database.run(self._find_expired, scope.org_id, prepared, left, held)

    async def searchable(self, org_id: UUID, index: int, seconds: float = WAIT_SECONDS) -> bool:
        """Wait until queries see every event up to `index`; False if that takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        pause = 0.01
        while True:
            if await self._database.run(self._stored_end, org_id) > index:
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def is_busy(self) -> bool:
        """Whether anything waits to be recorded."""
        return self._pool.is_waiting()

    def own_actions_waiting(self) -> None:
        """Call after a write to the outbox: its events enter the trail at once."""
        self._pool.poke()

    async def _prepare(
        self, scope: Scope, body: bytes, content_type: str, *, with_digest: bool
    ) -> tuple[list[Prepared], Drops | None, bytes]:
        """The events to record, those that rules drop, and the digest of the body, if one is wanted."""
        catalogue = self._catalogues.cached(scope.org_id)
        if catalogue is None:
            catalogue = await self._database.run(self._catalogues.of, scope.org_id)

        def prepare() -> tuple[list[Prepared], Drops | None, bytes]:
            prepared = read_request(
                body,
                content_type,
                received_at=clock.now_us(),
                recorded_by=scope.principal,
                redacted_keys=self._redacted_keys,
                find_address=self._find_address,
                catalogue=catalogue,
            )
            digest, drops = body_digest(body) if with_digest else b"", None
            if dropped := self._drop_filter(scope.org_id, prepared):
                drops = Drops.of(prepared, dropped, scope.principal)
                prepared = [one for position, one in enumerate(prepared) if position not in dropped]
            return prepared, drops, digest

        if len(body) <= SMALL_BODY and not catalogue.has_schemas:
            return prepare()
        return await self._preparing.run(scope, prepare)

    async def _look_up_imports(self, scope: Scope, prepared: Sequence[Prepared]) -> Mapping[str, KnownEvent]:
        """Those of the events that come from an export of this very log; only imports make the event store be asked."""
        event_ids = event_ids_of(prepared)
        if not event_ids:
            return {}
        found = await self._find_events(scope.org_id, list(event_ids.values()))
        return held_events(prepared, event_ids, found)

    async def _accept_exported(self, scope: Scope, prepared: Sequence[Prepared], answer: RecordingAnswer) -> None:
        """Take back the conflicts of events that are what an export says of the ones with their external ids.

        The digest that a commit compares is that of what was sent; an export also has the defaults filled in.
        """
        recorded = [one for one in answer.events if not one.dropped]
        doubtful = [(one, sent) for one, sent in zip(recorded, prepared, strict=True) if one.conflict]
        event_ids = [ids.decode("evt", one.id) for one, _ in doubtful]
        found = await self._find_events(scope.org_id, event_ids)
        held = [found.get(event_id) for event_id in event_ids]
        for (one, _), is_same in zip(doubtful, same_events([sent for _, sent in doubtful], held), strict=True):
            one.conflict = not is_same

    def _find_expired(
        self, org_id: UUID, prepared: Sequence[Prepared], places: Sequence[int], held: Mapping[str, KnownEvent]
    ) -> RecordingPreview:
        now = clock.now_us()
        with self._database.read() as connection:
            check = ExpiryCheck(connection, org_id, now, self._sequencer.read_cutoffs)
            late = [(place, one) for place, one in zip(places, prepared, strict=True) if check.has_expired(one)]
            known = {*held, *known_external_ids(connection, org_id, [one for _, one in late])}
            older = [place for place, one in late if not one.external_id or one.external_id not in known]
            return RecordingPreview(older, rfc3339(check.cutoffs.latest))

    def _stored_end(self, org_id: UUID) -> int:
        with self._database.read() as connection:
            found = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == org_id)).scalar()
        return int(found or 0)

    def _check_disk(self) -> None:
        if not self._disk.may_record():
            raise Unavailable("The server's disk is full; nothing was recorded.", code="disk_full", retry_after=30)
