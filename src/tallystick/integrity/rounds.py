"""Rounds: checks of a whole log, from its first entry to a signed checkpoint, and how their progress is stored."""

from collections.abc import Set
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from tallystick.clock import DAY_US
from tallystick.integrity.tables import integrity_rounds as rounds
from tallystick.ledger import log as ledger_log
from tallystick.ledger.signer import last_checkpoint
from tallystick.ledger.tables import logs
from tallystick.query.scope import Principal

EVERY_US = DAY_US
MAX_PROBLEMS = 200


class Problem(msgspec.Struct, frozen=True, order=True):
    """A difference at an index, described in words."""

    index: int
    words: str


class Round(msgspec.Struct, frozen=True):
    """A round and its progress: `position` is the next index to check; times in µs since 1970.

    `edge` is the packed edge of the tree over the entries so far, None once it can no longer be computed. `found` is
    the number of problems, `problems` the first MAX_PROBLEMS of them; `is_reported` once one is recorded in the trail.
    """

    end: int
    root: bytes
    signed: bool
    started_at: int
    asked_by: Principal | None = None
    position: int = 0
    edge: bytes | None = b""
    checked: int = 0
    expired: int = 0
    erased: int = 0
    found: int = 0
    problems: tuple[Problem, ...] = ()
    is_reported: bool = msgspec.field(default=False, name="told")  # the name in stored rounds
    finished_at: int | None = None
    repaired: int = 0  # problems of the round before, when this one found none


class RoundState(NamedTuple):
    """The state of one log's check: the running round, the last finished round, and who requested the next one."""

    org_id: UUID
    running: Round | None
    last: Round | None
    wanted: Principal | None


_round = msgspec.json.Decoder(Round).decode
_principal = msgspec.json.Decoder(Principal).decode
_encode = msgspec.json.Encoder().encode


def round_state(connection: Connection, org_id: UUID) -> RoundState:
    """The stored state of a log's check."""
    row = connection.execute(select(rounds).where(rounds.c.org_id == org_id)).first()
    if row is None:
        return RoundState(org_id, None, None, None)
    return RoundState(
        org_id,
        _round(row.running) if row.running else None,
        _round(row.last) if row.last else None,
        _principal(row.wanted) if row.wanted else None,
    )


def request_round(connection: Connection, org_id: UUID, by: Principal) -> bool:
    """Request a round; False when one was requested before and has not finished."""
    found = round_state(connection, org_id)
    if found.wanted is not None or (found.running is not None and found.running.asked_by is not None):
        return False
    _write(connection, org_id, wanted=_encode(by))
    return True


def begin_round(connection: Connection, org_id: UUID, *, now: int) -> Round:
    """Start a round up to the last signed checkpoint; it answers the request, if there is one."""
    asked_by = round_state(connection, org_id).wanted
    log = ledger_log.read(connection, org_id)
    signed = last_checkpoint(connection, org_id)
    size, root = (log.size, log.root) if signed is None else (signed.size, signed.root)
    made = Round(size, root, signed is not None, now, asked_by)
    _write(connection, org_id, begun_at=now, running=_encode(made), wanted=None)
    return made


def save_round(connection: Connection, org_id: UUID, before: Round, after: Round) -> bool:
    """Save the progress of a round; False, and nothing saved, when another process did so meanwhile."""
    values: dict[str, bytes | None] = {"running": _encode(after)}
    if after.finished_at is not None:
        values = {"running": None, "last": _encode(after)}
    unmoved = (rounds.c.org_id == org_id) & (rounds.c.running == _encode(before))
    return connection.execute(update(rounds).where(unmoved).values(values)).rowcount == 1


def next_due(
    connection: Connection, *, now: int, excluding: Set[UUID] = frozenset()
) -> tuple[UUID, Round | None] | None:
    """The next log to check, with its running round: requested ones first, then running ones, then the oldest check.

    A log that has waited for two days comes before all of them, so that repeated requests cannot starve it.
    """
    late = now - 2 * EVERY_US
    begun = (
        (row.org_id, _round(row.running))
        for row in connection.execute(select(rounds.c.org_id, rounds.c.running).where(rounds.c.running.is_not(None)))
    )
    running = [one for one in begun if one[0] not in excluding]
    slow = [one for one in running if one[1].started_at <= late]
    if slow:
        return min(slow, key=lambda one: one[1].started_at)
    waiting = _longest_waiting(connection, late, excluding)
    if waiting is not None:
        return waiting, None
    requested = select(rounds.c.org_id).where(rounds.c.wanted.is_not(None), rounds.c.org_id.not_in(excluding))
    wanted = connection.execute(requested.order_by(rounds.c.begun_at).limit(1)).scalar()
    if wanted is not None:
        return wanted, None
    if running:
        return min(running, key=lambda one: (one[1].asked_by is None, one[1].started_at))
    due = _longest_waiting(connection, now - EVERY_US, excluding)
    return None if due is None else (due, None)


def _longest_waiting(connection: Connection, since: int, excluding: Set[UUID]) -> UUID | None:
    """Of the logs without a round since that time, the one that has waited longest."""
    begun_at = func.coalesce(rounds.c.begun_at, logs.c.created_at - EVERY_US)
    statement = (
        select(logs.c.org_id)
        .outerjoin(rounds, rounds.c.org_id == logs.c.org_id)
        .where(begun_at <= since, rounds.c.running.is_(None), logs.c.size > 0, logs.c.org_id.not_in(excluding))
        .order_by(begun_at)
        .limit(1)
    )
    found: UUID | None = connection.execute(statement).scalar()
    return found


def count_differences(connection: Connection) -> int:
    """The number of differences in all logs: of each log the larger of its running and its last round."""
    known = 0
    for row in connection.execute(select(rounds.c.running, rounds.c.last)):
        known += max(_round(one).found if one else 0 for one in (row.running, row.last))
    return known


def is_new(problem: Problem, last: Round | None) -> bool:
    """Whether the last round did not report this problem already."""
    if last is None or problem in last.problems:
        return last is None
    # Of a round with more problems than are stored, those behind the last stored one may or may not be new.
    return last.found <= len(last.problems) or problem.index <= last.problems[-1].index


def _write(connection: Connection, org_id: UUID, **values: object) -> None:
    if not connection.execute(update(rounds).where(rounds.c.org_id == org_id).values(values)).rowcount:
        connection.execute(insert(rounds).values(org_id=org_id, **values))
