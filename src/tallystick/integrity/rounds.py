"""Rounds: one look through a log, from its first entry to a signed checkpoint, and how they are kept."""

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
MOST_KEPT = 200


class Problem(msgspec.Struct, frozen=True, order=True):
    """What is wrong at this index, in words."""

    index: int
    words: str


class Round(msgspec.Struct, frozen=True):
    """A round as far as it came: `position` is the next index; times in microseconds.

    `edge` is the tree over the entries so far, None once it cannot be told any more. `problems` are the first
    MOST_KEPT of `found`; `told` says that the trail was told of one.
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
    told: bool = False
    finished_at: int | None = None
    repaired: int = 0  # so many differences of the round before are gone, and no other was found


class Standing(NamedTuple):
    """How it stands with one log."""

    org_id: UUID
    running: Round | None
    last: Round | None
    wanted: Principal | None


_round = msgspec.json.Decoder(Round).decode
_principal = msgspec.json.Decoder(Principal).decode
_encode = msgspec.json.Encoder().encode


def standing(connection: Connection, org_id: UUID) -> Standing:
    """The round under way, the last one that was finished, and who waits for one."""
    row = connection.execute(select(rounds).where(rounds.c.org_id == org_id)).first()
    if row is None:
        return Standing(org_id, None, None, None)
    return Standing(
        org_id,
        _round(row.running) if row.running else None,
        _round(row.last) if row.last else None,
        _principal(row.wanted) if row.wanted else None,
    )


def ask(connection: Connection, org_id: UUID, by: Principal) -> bool:
    """Let a round begin soon; False when somebody asked before whose round has not ended."""
    found = standing(connection, org_id)
    if found.wanted is not None or (found.running is not None and found.running.asked_by is not None):
        return False
    _put(connection, org_id, wanted=_encode(by))
    return True


def begin(connection: Connection, org_id: UUID, *, now: int) -> Round:
    """A round up to the last checkpoint that was signed; what was asked for is taken."""
    asked_by = standing(connection, org_id).wanted
    log = ledger_log.read(connection, org_id)
    signed = last_checkpoint(connection, org_id)
    size, root = (log.size, log.root) if signed is None else (signed.size, signed.root)
    made = Round(size, root, signed is not None, now, asked_by)
    _put(connection, org_id, begun_at=now, running=_encode(made), wanted=None)
    return made


def keep(connection: Connection, org_id: UUID, before: Round, after: Round) -> bool:
    """Write down how far it came; False when another process did meanwhile."""
    values: dict[str, bytes | None] = {"running": _encode(after)}
    if after.finished_at is not None:
        values = {"running": None, "last": _encode(after)}
    unmoved = (rounds.c.org_id == org_id) & (rounds.c.running == _encode(before))
    return connection.execute(update(rounds).where(unmoved).values(values)).rowcount == 1


def next_due(connection: Connection, *, now: int, but: Set[UUID] = frozenset()) -> tuple[UUID, Round | None] | None:
    """The log to look at: what people asked for first, then what was begun, then what waits longest.

    A log that waits for two days comes before everything, so that nobody who asks can hold it up. `but` are left out.
    """
    late = now - 2 * EVERY_US
    begun = (
        (row.org_id, _round(row.running))
        for row in connection.execute(select(rounds.c.org_id, rounds.c.running).where(rounds.c.running.is_not(None)))
    )
    running = [one for one in begun if one[0] not in but]
    slow = [one for one in running if one[1].started_at <= late]
    if slow:
        return min(slow, key=lambda one: one[1].started_at)
    waiting = _waiting(connection, late, but)
    if waiting is not None:
        return waiting, None
    asked = select(rounds.c.org_id).where(rounds.c.wanted.is_not(None), rounds.c.org_id.not_in(but))
    wanted = connection.execute(asked.order_by(rounds.c.begun_at).limit(1)).scalar()
    if wanted is not None:
        return wanted, None
    if running:
        return min(running, key=lambda one: (one[1].asked_by is None, one[1].started_at))
    due = _waiting(connection, now - EVERY_US, but)
    return None if due is None else (due, None)


def _waiting(connection: Connection, since: int, but: Set[UUID]) -> UUID | None:
    """The log without a round since that time that waits longest."""
    begun_at = func.coalesce(rounds.c.begun_at, logs.c.created_at - EVERY_US)
    statement = (
        select(logs.c.org_id)
        .outerjoin(rounds, rounds.c.org_id == logs.c.org_id)
        .where(begun_at <= since, rounds.c.running.is_(None), logs.c.size > 0, logs.c.org_id.not_in(but))
        .order_by(begun_at)
        .limit(1)
    )
    found: UUID | None = connection.execute(statement).scalar()
    return found


def differences_known(connection: Connection) -> int:
    """How many differences the rounds of all logs found."""
    known = 0
    for row in connection.execute(select(rounds.c.running, rounds.c.last)):
        known += max(_round(one).found if one else 0 for one in (row.running, row.last))
    return known


def is_new(problem: Problem, last: Round | None) -> bool:
    """Whether the round before did not say so already."""
    if last is None or problem in last.problems:
        return last is None
    # Of more than are kept, those behind the last that is kept are not known one by one.
    return last.found <= len(last.problems) or problem.index <= last.problems[-1].index


def _put(connection: Connection, org_id: UUID, **values: object) -> None:
    if not connection.execute(update(rounds).where(rounds.c.org_id == org_id).values(values)).rowcount:
        connection.execute(insert(rounds).values(org_id=org_id, **values))
