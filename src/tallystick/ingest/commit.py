"""The commit: duplicates, indexes, journal, Merkle tree and own events, in one transaction per organization."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, insert, select

from tallystick import ids
from tallystick.clock import DAY_US, rfc3339
from tallystick.database.deletion import delete_some
from tallystick.errors import Conflict, TallystickError
from tallystick.events.geoip import FindAddress
from tallystick.events.prepared import Prepared
from tallystick.ingest.dropped_events import Drops, count_drops
from tallystick.ingest.late_events import ExpiryCheck, ReadCutoffs, plan_cutoffs
from tallystick.ingest.own_actions import take_prepared
from tallystick.ingest.submission import KnownEvent, Recorded, RecordingAnswer, Submission
from tallystick.ingest.tables import external_ids, idempotency_keys
from tallystick.journal import batches
from tallystick.journal.batches import Batch, EncodedRecords
from tallystick.ledger import log as ledger_log

IDEMPOTENCY_DAYS = 7
_LOOKUP = 400  # parameters of one IN (…): far below the limits of both databases
_answers = msgspec.json.Decoder(list[Recorded])


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a commit for one organization: answers in the order of the submissions, and the new events."""

    answers: list[RecordingAnswer | TallystickError]
    batch: Batch
    size: int  # of the batch in bytes, as it is written down
    dropped: int  # events that rules dropped


@dataclass(slots=True)
class _Draft:
    """The new events of one commit, in index order."""

    next_index: int
    frames: list[bytes] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    external: list[dict[str, object]] = field(default_factory=list)
    earliest: int = 1 << 62
    latest: int = 0

    def add(self, prepared: Prepared) -> int:
        index = self.next_index
        self.next_index = index + 1
        self.frames.append(prepared.frame)
        self.entries.append(prepared.entry)
        received = prepared.received_at
        if received < self.earliest:
            self.earliest = received
        if received > self.latest:
            self.latest = received
        return index


def commit(
    connection: Connection,
    log: ledger_log.Log,
    submissions: Sequence[Submission],
    *,
    now: int,
    redacted_keys: frozenset[str],
    find_address: FindAddress | None = None,
    read_cutoffs: ReadCutoffs = plan_cutoffs,
) -> Committed:
    """Record the submissions and the organization's outbox into the locked log. After an error the transaction must be
    undone."""
    org_id = log.org_id
    draft = _Draft(log.size)
    known = known_external_ids(connection, org_id, [one for sub in submissions for one in sub.prepared])
    known = {external_id: held for sub in submissions for external_id, held in sub.held.items()} | known
    answered = _known_keys(connection, org_id, submissions, now)
    expiry = ExpiryCheck(connection, org_id, now, read_cutoffs)
    answers: list[RecordingAnswer | TallystickError] = []
    new_keys: list[dict[str, object]] = []
    dropped: list[Drops] = []
    for submission in submissions:
        key = submission.idempotency_key
        if key is not None and key in answered:
            answers.append(_repeat(answered[key], submission))
            continue
        recorded = [_record(draft, one, known, org_id, expiry) for one in submission.prepared]
        if submission.drops is not None:
            recorded = _with_drops(recorded, submission.drops)
            dropped.append(submission.drops)
        answers.append(RecordingAnswer(recorded, False, max((one.index for one in recorded), default=-1)))
        if key is not None:
            # Without warnings, which name fields of events: nothing of an event stays outside of the trail.
            body = msgspec.json.encode([msgspec.structs.replace(one, schema_warnings=()) for one in recorded])
            answered[key] = (submission.body_digest, body)
            new_keys.append(
                {
                    "org_id": org_id, "key": key, "body_digest": submission.body_digest,
                    "answer": body, "answered_at": now,
                }
            )  # fmt: skip
    for own in take_prepared(connection, org_id, now=now, redacted_keys=redacted_keys, find_address=find_address):
        draft.add(own)
    if draft.frames:
        batches.write(connection, org_id, log.size, draft.frames, (draft.earliest, draft.latest))
        ledger_log.append(connection, log, draft.entries)
    if draft.external:
        connection.execute(insert(external_ids), draft.external)
    if new_keys:
        connection.execute(insert(idempotency_keys), new_keys)
    if dropped:
        count_drops(connection, org_id, dropped, now=now)
    batch = Batch(org_id, log.size, EncodedRecords(draft.frames))
    return Committed(answers, batch, sum(map(len, draft.frames)), sum(one.events for one in dropped))


def forget_old_keys(connection: Connection, now: int, most: int = 1000) -> bool:
    """Delete idempotency keys older than seven days, a few at a time, so that nothing waits for it.

    Returns whether more may be left: they are deleted as fast as requests can make them, or they would stay for ever.
    """
    return delete_some(
        connection, idempotency_keys, idempotency_keys.c.answered_at < now - IDEMPOTENCY_DAYS * DAY_US, most
    )


def body_digest(body: bytes) -> bytes:
    """The digest by which unpacked bodies under one Idempotency-Key are compared."""
    return hashlib.sha256(body).digest()


def _record(
    draft: _Draft, prepared: Prepared, known: dict[str, KnownEvent], org_id: UUID, expiry: ExpiryCheck
) -> Recorded:
    external_id = prepared.external_id
    if external_id:
        first = known.get(external_id)
        if first is not None:
            conflict = first.digest != prepared.digest
            return Recorded(ids.encode("evt", first.event_id), first.index, rfc3339(first.occurred_at), True, conflict)
    index = draft.add(prepared)
    if external_id:
        known[external_id] = KnownEvent(prepared.id, index, prepared.occurred_at, prepared.digest)
        draft.external.append(
            {
                "org_id": org_id, "external_id": external_id, "log_index": index, "event_id": prepared.id,
                "digest": prepared.digest, "occurred_at": prepared.occurred_at,
            }
        )  # fmt: skip
    return Recorded(
        ids.encode("evt", prepared.id),
        index,
        prepared.timestamp,
        False,
        clock_skew=prepared.clock_skew,
        expires_soon=expiry.has_expired(prepared),
        schema_warnings=prepared.schema_warnings,
    )


def _with_drops(recorded: Sequence[Recorded], drops: Drops) -> list[Recorded]:
    """The answers for all events of a request, in their order: also for the dropped ones."""
    others = iter(recorded)
    return [
        Recorded(dropped=rule_id) if (rule_id := drops.rules.get(position)) else next(others)
        for position in range(len(recorded) + drops.events)
    ]


def _repeat(first: tuple[bytes, bytes], submission: Submission) -> RecordingAnswer | TallystickError:
    digest, body = first
    if digest != submission.body_digest:
        return Conflict(
            "This Idempotency-Key was already used with another body. Use a new key for a new request.",
            code="idempotency_conflict",
        )
    recorded = _answers.decode(body)
    return RecordingAnswer(recorded, True, max((one.index for one in recorded), default=-1))


def known_external_ids(connection: Connection, org_id: UUID, prepared: Sequence[Prepared]) -> dict[str, KnownEvent]:
    """The events that the external ids of these stand for already, by external id."""
    wanted = list({one.external_id for one in prepared if one.external_id})
    known: dict[str, KnownEvent] = {}
    for start in range(0, len(wanted), _LOOKUP):
        rows = connection.execute(
            select(external_ids).where(
                external_ids.c.org_id == org_id, external_ids.c.external_id.in_(wanted[start : start + _LOOKUP])
            )
        )
        for row in rows:
            known[row.external_id] = KnownEvent(row.event_id, row.log_index, row.occurred_at, row.digest)
    return known


def _known_keys(
    connection: Connection, org_id: UUID, submissions: Iterable[Submission], now: int
) -> dict[str, tuple[bytes, bytes]]:
    wanted = list({sub.idempotency_key for sub in submissions if sub.idempotency_key is not None})
    known: dict[str, tuple[bytes, bytes]] = {}
    for start in range(0, len(wanted), _LOOKUP):
        some = wanted[start : start + _LOOKUP]
        mine = (idempotency_keys.c.org_id == org_id) & idempotency_keys.c.key.in_(some)
        # An expired key that was not swept yet must make room for its successor.
        connection.execute(
            delete(idempotency_keys).where(mine, idempotency_keys.c.answered_at < now - IDEMPOTENCY_DAYS * DAY_US)
        )
        for row in connection.execute(select(idempotency_keys).where(mine)):
            known[row.key] = (row.body_digest, row.answer)
    return known
