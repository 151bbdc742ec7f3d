"""A queue of deliveries: what the delivery worker has to know about one kind of payload, and its rows."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, or_, update

from tallystick.clock import SECOND_US
from tallystick.destinations.backoff import Backoff

CLOCK_SKEW_US = 900 * SECOND_US  # how far apart the clocks of two processes may be


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What an attempt led to; an empty `problem` means success.

    `permanent`: another attempt would fail as well. `gone`: the receiver wants nothing any more.
    `unreachable`: the mail server could not be reached. `remaining`: recipients that did not get the message.
    `status` is that of HTTP; `retry_after` counts seconds; `method` says how a file was delivered.
    """

    problem: str = ""
    status: int | None = None
    retry_after: int | None = None
    permanent: bool = False
    gone: bool = False
    unreachable: bool = False
    remaining: tuple[str, ...] = ()
    method: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """Deliveries that are attempted one after the other, such as those to one destination.

    `lane_id` is hashable and identifies the lane within the organization; `has_failed`: its last attempt failed.
    `by_email`: it rests while the mail server is unreachable.
    """

    org_id: UUID
    lane_id: Any
    has_failed: bool = False
    by_email: bool = False

    @property
    def key(self) -> tuple[UUID, Any]:
        """Identifies the lane within its queue."""
        return (self.org_id, self.lane_id)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process alone may attempt, until the claim expires at `until` (microseconds)."""

    lane: Lane
    row: Row[Any]
    until: int


@dataclass(frozen=True, slots=True)
class RowUpdate:
    """What an attempt did to its row: the time of the next attempt in microseconds, None when there is none.

    `is_written` is False when the attempt failed after its claim had expired: then the row is another process's.
    """

    is_written: bool
    next_at: int | None


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """A finished attempt, begun at `at` (microseconds)."""

    claim: Claim
    result: DeliveryResult
    at: int
    milliseconds: int


class DeliveryQueue(ABC):
    """One kind of payload: its table, its limits, and how it is sent and recorded.

    The worker calls `due`, `claim`, `record` and `delete_old` in transactions of its own thread, and `send` in a
    thread of a pool. A subclass fills in the class attributes.
    """

    name: str
    table: Table
    key: tuple[str, ...]  # the columns that identify a row
    claim_column: str  # the time until which a claim holds
    claim_seconds: int  # longer than an attempt can take
    given_up_state: str
    problem_length: int
    backoff: Backoff
    max_at_once: int
    max_of_organization: int  # so that no organization takes every place
    max_of_channel: int  # by email or otherwise, so that a mail server that hangs does not take every place
    max_failing: int  # lanes whose last attempt failed: dead receivers must not take every place either

    @abstractmethod
    def due(self, connection: Connection, now: int) -> Sequence[Lane]:
        """The lanes with something to deliver at `now` (microseconds), longest waiting first."""

    @abstractmethod
    def next_row(self, connection: Connection, lane: Lane, now: int) -> Row[Any] | None:
        """The row of a lane to attempt next; None when there is none, or another process attempts one.

        It has the columns `key`, `claim_column`, `attempts`, and `made_at`, which the age of the delivery counts from.
        """

    @abstractmethod
    def send(self, claim: Claim, now: int) -> DeliveryResult | None:
        """Attempts the delivery once; None when it no longer exists. Runs in a thread of the pool."""

    @abstractmethod
    def record(self, connection: Connection, outcome: AttemptOutcome) -> None:
        """Records an attempt and everything that follows from it."""

    def update_row(self, connection: Connection, outcome: AttemptOutcome) -> RowUpdate:
        """Updates the row after an attempt, without what else follows.

        The worker calls it by itself when `record` fails again and again: what was sent is not sent a second time.
        """
        return self.record_attempt(connection, outcome)

    def may_work(self, _now: int) -> bool:
        """Whether this process may deliver at all; asked outside of any transaction."""
        return True

    def claim_values(self) -> dict[str, Any]:
        """Further columns that a claim sets."""
        return {}

    def after_commit(self, _outcome: AttemptOutcome) -> None:
        """Called once the outcome is committed."""
        return

    def delete_old(self, _connection: Connection, _now: int) -> bool:
        """Deletes some of what finished long ago; called about once an hour, and again while it returns True.

        Returns whether more may be left: on SQLite, recording waits for each transaction.
        """
        return False

    def claim(self, connection: Connection, lane: Lane, now: int) -> Claim | None:
        """Claims the next row of a lane; None when nothing is left to claim.

        Of two processes that read the same row one wins: the update applies only if state, number of attempts and
        claim are still those that were read.
        """
        row = self.next_row(connection, lane, now)
        if row is None:
            return None
        column = self.table.c[self.claim_column]
        unchanged = and_(
            self.is_row(row),
            self.table.c.state == "waiting",
            self.table.c.attempts == row.attempts,
            column.is_not_distinct_from(getattr(row, self.claim_column)),
        )
        until = now + self.claim_seconds * SECOND_US
        values = {self.claim_column: until, **self.claim_values()}
        updated = connection.execute(update(self.table).where(unchanged).values(values))
        return Claim(lane, row, until) if updated.rowcount else None

    def release_claims(self, connection: Connection, _now: int) -> None:
        """Releases every claim, when no other process can be running: whoever made it is dead."""
        column = self.table.c[self.claim_column]
        connection.execute(update(self.table).where(column.is_not(None)).values({column: None}))

    def record_attempt(self, connection: Connection, outcome: AttemptOutcome, **values: Any) -> RowUpdate:
        """Counts the attempt, releases the claim, and settles the row: delivered, given up, or due again.

        `values` are further columns.
        """
        row, result, now = outcome.claim.row, outcome.result, outcome.at
        attempts = row.attempts + 1
        next_at = None
        if result.problem and not (result.permanent or result.gone):
            next_at = self.backoff.next_attempt(attempts, row.made_at, now, result.retry_after)
        values |= {"attempts": attempts, "problem": result.problem[: self.problem_length]}
        if self.claim_column != "next_at":
            values[self.claim_column] = None
        if next_at is not None:
            values["next_at"] = next_at
        else:
            values |= {"state": self.given_up_state if result.problem else "sent", "finished_at": now}
        # What was sent is sent. A failure is written only while the claim holds: it must undo neither what another
        # process recorded, nor the claim of one that is sending.
        mine = self.is_claimed(outcome.claim) if result.problem else self.is_row(row)
        updated = connection.execute(update(self.table).where(mine).values(values))
        return RowUpdate(bool(updated.rowcount), next_at)

    def is_claimed(self, claim: Claim) -> ColumnElement[bool]:
        """The condition that finds the row of a claim while it holds."""
        still = self.table.c[self.claim_column] == claim.until
        return and_(self.is_row(claim.row), self.table.c.state == "waiting", still)

    def is_due(self, now: int) -> ColumnElement[bool]:
        """The condition that finds what to attempt at `now` (microseconds), unless another process attempts it.

        A first attempt dated in the future was enqueued while the clock was ahead.
        """
        columns = self.table.c
        is_ahead = and_(columns.attempts == 0, columns.made_at > now + CLOCK_SKEW_US)
        return and_(columns.state == "waiting", or_(columns.next_at <= now, is_ahead), self.is_unclaimed(now))

    def is_unclaimed(self, now: int) -> ColumnElement[bool]:
        """The condition that no claim holds. One of the far future was made before the clock was set back."""
        until = self.table.c[self.claim_column]
        return or_(until.is_(None), until < now, until > now + self.claim_seconds * SECOND_US + CLOCK_SKEW_US)

    def row_ids(self, row: Row[Any]) -> dict[str, str]:
        """The ids that identify a row in the log, without addresses."""
        return {name: value.hex for name in self.key if isinstance(value := getattr(row, name), UUID)}

    def is_row(self, row: Row[Any]) -> ColumnElement[bool]:
        """The condition that finds a row again."""
        return and_(*(self.table.c[name] == getattr(row, name) for name in self.key))
