"""The queue of messages to destinations."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, not_, select, update

from tallystick import ids
from tallystick.access.secret import DecryptionFailed
from tallystick.clock import DAY_US, SECOND_US
from tallystick.database.deletion import delete_some
from tallystick.database.engine import Database
from tallystick.destinations.backoff import Backoff
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.delivery_queue import (
    AttemptOutcome,
    Claim,
    DeliveryQueue,
    DeliveryResult,
    Lane,
    RowUpdate,
)
from tallystick.destinations.destination import WAITING, is_destination
from tallystick.destinations.destination_health import record_health
from tallystick.destinations.kinds.kind import DeliveryTarget, DestinationKind
from tallystick.destinations.kinds.registry import kind_of
from tallystick.destinations.message import Message, bare_message, plain_message
from tallystick.destinations.secrets import open_secrets
from tallystick.destinations.tables import deliveries, delivery_attempts, destinations

# Statuses with which a receiver, or a filter in front of it, refuses what a request contains.
REFUSALS = frozenset({400, 403, 406, 413, 415, 422, 451})
BARE_AFTER = 2  # attempts: until then the refusal may be a matter of minutes
CLAIM_SECONDS = 400  # longer than any attempt takes: an email may take five minutes
# The pauses that Standard Webhooks proposes; then the message is given up.
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
PROBE_PAUSES = (5, 300)
# For one destination. Each attempt that fails postpones all of them, and recording waits for that.
MOST_WAITING = 1_000
TOO_MANY = "Not sent: too many messages waited for this destination. The alert is in the list of alerts."
KEPT = 30 * DAY_US
IDS_PER_QUERY = 500
_MAY_SEND = and_(destinations.c.enabled, destinations.c.approval != WAITING)
_decode_message = msgspec.json.Decoder(Message).decode
_decode_recipients = msgspec.json.Decoder(tuple[str, ...]).decode
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to one destination; `source` is the id of the rule that sends it, or empty.

    It is not sent before `not_before` (microseconds), until when `replace_waiting` may change it.
    """

    destination_id: UUID
    message: Message
    source: str = ""
    not_before: int = 0


def enqueue(connection: Connection, org_id: UUID, destination_id: UUID, message: Message, *, now: int) -> UUID | None:
    """Has the message sent once this transaction is committed; returns the id of the delivery, see `enqueue_all`."""
    return enqueue_all(connection, org_id, [NewMessage(destination_id, message)], now=now)[0]


def enqueue_all(connection: Connection, org_id: UUID, messages: Sequence[NewMessage], *, now: int) -> list[UUID | None]:
    """Has the messages sent once this transaction is committed; returns the ids of the deliveries.

    None when the destination is disabled, waits for an owner's approval or was deleted, or when a message of this id
    was sent to it already. A message that is one too many of those that wait is given up at once: no source has more
    of them than it leaves to others, so that a rule that fires without end mutes no other.

    All of a destination are written with a few statements: recording may wait for this transaction.
    """
    by_destination: dict[UUID, list[int]] = {}
    for place, one in enumerate(messages):
        by_destination.setdefault(one.destination_id, []).append(place)
    delivery_ids: list[UUID | None] = [None] * len(messages)
    for destination_id, places in by_destination.items():
        rows = _new_rows(connection, org_id, destination_id, [messages[place] for place in places], now)
        for place, row in zip(places, rows, strict=True):
            delivery_ids[place] = row["delivery_id"] if row else None
        if written := [row for row in rows if row]:
            connection.execute(insert(deliveries), written)
    return delivery_ids


def replace_waiting(connection: Connection, org_id: UUID, messages: Sequence[NewMessage], *, now: int) -> None:
    """Sends these instead of the messages with their ids that still wait for their time."""
    for one in messages:
        _replace(connection, org_id, one, now)


def _replace(connection: Connection, org_id: UUID, new: NewMessage, now: int) -> None:
    waits = and_(
        deliveries.c.org_id == org_id,
        deliveries.c.destination_id == new.destination_id,
        deliveries.c.message_id == new.message.id,
        deliveries.c.state == "waiting",
        deliveries.c.attempts == 0,
        deliveries.c.next_at > now,
    )
    text = msgspec.json.encode(new.message).decode()
    connection.execute(update(deliveries).where(waits).values(message=text, next_at=new.not_before))


def _new_rows(
    connection: Connection, org_id: UUID, destination_id: UUID, messages: Sequence[NewMessage], now: int
) -> list[dict[str, Any] | None]:
    """Returns the row of each message to this destination; None for those that are not sent."""
    may_send = is_destination(org_id, destination_id) & _MAY_SEND
    destination: Row[Any] | None = connection.execute(select(destinations).where(may_send)).first()
    if destination is None:
        return [None] * len(messages)
    mine = and_(deliveries.c.org_id == org_id, deliveries.c.destination_id == destination_id)
    known = _delivered_ids(connection, mine, [one.message.id for one in messages])
    next_at = _next_at(connection, mine, destination, now)
    waiting = _waiting(connection, mine)
    rows: list[dict[str, Any] | None] = []
    for one in messages:
        if one.message.id in known:
            rows.append(None)
            continue
        known.add(one.message.id)
        # Full: one more of this source leaves less to other sources than it has itself.
        is_full = MOST_WAITING - waiting.total() <= waiting[one.source]
        if not is_full:
            waiting[one.source] += 1
        rows.append(
            {
                "org_id": org_id,
                "delivery_id": ids.new_uuid(now),
                "destination_id": destination_id,
                "message_id": one.message.id,
                "message": msgspec.json.encode(one.message).decode(),
                "left": "",
                "state": "given_up" if is_full else "waiting",
                "attempts": 0,
                "problem": TOO_MANY if is_full else "",
                "made_at": now,
                "next_at": max(next_at, one.not_before),
                "finished_at": now if is_full else None,
                "source": one.source,
            }
        )
    return rows


def _delivered_ids(connection: Connection, of_destination: ColumnElement[bool], message_ids: Sequence[str]) -> set[str]:
    """Returns which of the messages the destination has a delivery of."""
    known: set[str] = set()
    for start in range(0, len(message_ids), IDS_PER_QUERY):
        some = deliveries.c.message_id.in_(message_ids[start : start + IDS_PER_QUERY])
        known |= set(connection.execute(select(deliveries.c.message_id).where(of_destination, some)).scalars())
    return known


def _next_at(connection: Connection, of_destination: ColumnElement[bool], destination: Row[Any], now: int) -> int:
    """When a new message is due: what waits for a failing destination waits together."""
    if not destination.failures:
        return now
    waiting = select(func.min(deliveries.c.next_at)).where(of_destination, deliveries.c.state == "waiting")
    probe_at = min(_probe_at(destination.failures, destination.last_failure_at), _probe_at(destination.failures, now))
    return max(now, min(connection.execute(waiting).scalar() or now, probe_at))


def _waiting(connection: Connection, of_destination: ColumnElement[bool]) -> Counter[str]:
    """Returns how many messages of each source wait for the destination; no more than MOST_WAITING in all."""
    is_waiting = and_(of_destination, deliveries.c.state == "waiting")
    waiting = select(deliveries.c.source).where(is_waiting).limit(MOST_WAITING).subquery()
    rows = connection.execute(select(waiting.c.source, func.count()).group_by(waiting.c.source))
    return Counter(dict(map(tuple, rows)))


class MessageQueue(DeliveryQueue):
    """Messages to destinations, a lane for each destination, oldest message first."""

    name = "messages"
    table = deliveries
    key = ("org_id", "delivery_id")
    claim_column = "claimed_until"
    claim_seconds = CLAIM_SECONDS
    given_up_state = "given_up"
    problem_length = 300
    backoff = Backoff(PAUSES, jitter=0.1)
    max_at_once = 16
    max_of_organization = 4
    max_of_channel = 10
    max_failing = 8

    def __init__(self, database: Database, context: DestinationContext) -> None:
        self._database = database
        self._context = context

    def due(self, connection: Connection, now: int) -> Sequence[Lane]:
        same = and_(
            destinations.c.org_id == deliveries.c.org_id,
            destinations.c.destination_id == deliveries.c.destination_id,
        )
        rows = connection.execute(
            select(deliveries.c.org_id, deliveries.c.destination_id, destinations.c.failures, destinations.c.kind)
            .join(destinations, same)
            .where(self.is_due(now), _MAY_SEND)
            .group_by(deliveries.c.org_id, deliveries.c.destination_id, destinations.c.failures, destinations.c.kind)
            .order_by(func.min(deliveries.c.next_at))
        )
        return [
            Lane(row.org_id, row.destination_id, has_failed=row.failures > 0, by_email=kind_of(row.kind).by_email)
            for row in rows
        ]

    def next_row(self, connection: Connection, lane: Lane, now: int) -> Row[Any] | None:
        mine = and_(deliveries.c.org_id == lane.org_id, deliveries.c.destination_id == lane.lane_id)
        # Another process may be sending to this destination: one attempt at a time.
        in_progress = select(deliveries.c.delivery_id).where(mine, not_(self.is_unclaimed(now))).limit(1)
        if connection.execute(in_progress).first() is not None:
            return None
        # After a failure another message is attempted: the receiver may refuse that one alone.
        order = (deliveries.c.attempts, deliveries.c.delivery_id) if lane.has_failed else (deliveries.c.delivery_id,)
        return connection.execute(select(deliveries).where(mine, self.is_due(now)).order_by(*order).limit(1)).first()

    def send(self, claim: Claim, now: int) -> DeliveryResult | None:
        row = claim.row
        with self._database.read() as connection:
            destination = _destination(connection, row)
            is_refused = row.attempts >= BARE_AFTER and _last_status(connection, row) in REFUSALS
        if destination is None or destination.approval == WAITING:  # deleted, or led elsewhere after the claim
            return None
        try:
            secrets = open_secrets(self._context.seal, row.org_id, row.destination_id, destination.sealed)
        except DecryptionFailed:
            detail = "The server's secret key has changed. Create the destination again."
            return DeliveryResult(detail, permanent=True)
        target = DeliveryTarget(
            org_id=row.org_id,
            settings=msgspec.json.decode(destination.settings),
            secrets=secrets,
            context=self._context,
            database=self._database,
            at=now,
            remaining=_decode_recipients(row.left) if row.left else None,
        )
        kind, message = kind_of(destination.kind), _decode_message(row.message)
        message = bare_message(message) if is_refused else message
        try:
            content = _write(kind, message)
        except Exception as error:
            logger.exception("message_not_written", delivery=row.delivery_id.hex)
            return DeliveryResult(f"The message cannot be written: {type(error).__name__}.", permanent=True)
        return kind.send(target, message, content)

    def record(self, connection: Connection, outcome: AttemptOutcome) -> None:
        row, result, now = outcome.claim.row, outcome.result, outcome.at
        # The destination before its deliveries, as a change of the destination does: the other order could deadlock.
        destination = _destination(connection, row, lock=True)
        if destination is None:
            return  # deleted meanwhile, with its deliveries
        connection.execute(
            insert(delivery_attempts).values(
                org_id=row.org_id,
                delivery_id=row.delivery_id,
                attempt=_next_attempt(connection, row),
                at=now,
                outcome="failed" if result.problem else "sent",
                status=result.status,
                milliseconds=outcome.milliseconds,
                problem=result.problem[: self.problem_length],
            )
        )
        updated = self.update_row(connection, outcome)
        if result.problem and not updated.is_written:
            return  # its claim expired, and another process knows more
        if updated.next_at is not None:
            _postpone(connection, row, _probe_at(destination.failures + 1, now, result.retry_after))
        record_health(connection, destination, result, now, final=updated.next_at is None)

    def update_row(self, connection: Connection, outcome: AttemptOutcome) -> RowUpdate:
        values: dict[str, Any] = {}
        if not outcome.result.problem:
            values = {"message": "", "left": ""}
        elif outcome.result.remaining:
            values = {"left": msgspec.json.encode(outcome.result.remaining).decode()}
        return self.record_attempt(connection, outcome, **values)

    def delete_old(self, connection: Connection, now: int) -> bool:
        attempts = delete_some(connection, delivery_attempts, delivery_attempts.c.at < now - KEPT)
        return delete_some(connection, deliveries, deliveries.c.finished_at < now - KEPT) or attempts


def _write(kind: DestinationKind[Any], message: Message) -> Any:
    """The message in the form of its kind; if that fails for its text, in ASCII. Raises whatever fails then."""
    try:
        return kind.write(message)
    except Exception as error:
        logger.warning("message_written_plainly", kind=kind.name, error=type(error).__name__)
        return kind.write(plain_message(message))


def _destination(connection: Connection, row: Row[Any], *, lock: bool = False) -> Row[Any] | None:
    mine = select(destinations).where(is_destination(row.org_id, row.destination_id))
    return connection.execute(mine.with_for_update() if lock else mine).first()


def _next_attempt(connection: Connection, row: Row[Any]) -> int:
    """The number of the next attempt; those before a manual retry count too."""
    mine = and_(delivery_attempts.c.org_id == row.org_id, delivery_attempts.c.delivery_id == row.delivery_id)
    return (connection.execute(select(func.max(delivery_attempts.c.attempt)).where(mine)).scalar() or 0) + 1


def _last_status(connection: Connection, row: Row[Any]) -> int | None:
    mine = and_(delivery_attempts.c.org_id == row.org_id, delivery_attempts.c.delivery_id == row.delivery_id)
    newest = select(delivery_attempts.c.status).where(mine).order_by(delivery_attempts.c.attempt.desc()).limit(1)
    status: int | None = connection.execute(newest).scalar()
    return status


def _probe_at(failures: int, failed_at: int, retry_after: int | None = None) -> int:
    """When another message of a destination is attempted after so many failures in a row, the last at `failed_at`.

    However long the pause of the message that failed has become, the others wait for five minutes at most.
    """
    pause = PROBE_PAUSES[min(failures, len(PROBE_PAUSES)) - 1]
    return failed_at + max(pause, retry_after or 0) * SECOND_US


def _postpone(connection: Connection, row: Row[Any], next_at: int) -> None:
    """Postpones what else waits for a failing destination: one attempt at a time finds out whether it works again."""
    others = and_(
        deliveries.c.org_id == row.org_id,
        deliveries.c.destination_id == row.destination_id,
        deliveries.c.state == "waiting",
        deliveries.c.next_at < next_at,
    )
    connection.execute(update(deliveries).where(others).values(next_at=next_at))
