"""Throttling of sign-in attempts, counted in the database for all nodes together.

An attempt is counted before the password is checked, so that concurrent ones cannot slip through, and given back if it
was right. Counted are the account, known or not, and the address. An address from which an account signed in lately has
a count of its own, so that guessing from elsewhere cannot lock the person out.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tallystick.access.client_address import client_network
from tallystick.access.tables import sign_in_attempts
from tallystick.clock import DAY_US, SECOND_US

ACCOUNT_TRIES = 10
ADDRESS_TRIES = 30
WINDOW_US = 900 * SECOND_US
KNOWN_US = 30 * DAY_US

_subject, _attempts, _until = sign_in_attempts.c.subject, sign_in_attempts.c.attempts, sign_in_attempts.c.until


@dataclass(frozen=True, slots=True)
class ThrottleResult:
    """`retry_after`: seconds to wait, 0 to go ahead; `closes`: what this was the first refused attempt for."""

    retry_after: int = 0
    closes: Literal["", "account", "address"] = ""


def seconds_closed(connection: Connection, email: str, address: str, now: int) -> int:
    """Seconds until attempts are admitted again, without counting one."""
    for subject, most in _subjects(connection, email, address, now):
        attempts, until = _read_count(connection, subject)
        if until > now and attempts > most:
            return _seconds(until - now)
    return 0


def count_attempt(connection: Connection, email: str, address: str, now: int) -> ThrottleResult:
    """Count one attempt. Of two concurrent ones for the last place one gets it: the row decides."""
    for subject, most in _subjects(connection, email, address, now):
        attempts, until = _increment(connection, subject, now)
        if attempts > most:
            what: Literal["account", "address"] = "address" if subject.startswith("address:") else "account"
            return ThrottleResult(_seconds(until - now), what if attempts == most + 1 else "")
    return ThrottleResult()


def reset_after_success(connection: Connection, email: str, address: str, now: int) -> None:
    """After a right password: reset the account's count, take the attempt back, remember the address."""
    for subject, _ in _subjects(connection, email, address, now):
        if subject.startswith("address:"):
            connection.execute(
                update(sign_in_attempts).where(_subject == subject, _attempts > 0).values(attempts=_attempts - 1)
            )
        else:
            connection.execute(delete(sign_in_attempts).where(_subject == subject))
    _increment(connection, _known_subject(email, address), now, KNOWN_US)


def sweep(connection: Connection, now: int, most: int = 100) -> None:
    """Delete some expired counts. Run it last in a transaction: it holds rows that others wait for."""
    over = select(_subject).where(_until <= now).limit(most).with_for_update(skip_locked=True)
    connection.execute(delete(sign_in_attempts).where(_subject.in_(over)))


def _subjects(connection: Connection, email: str, address: str, now: int) -> list[tuple[str, int]]:
    """The subjects of an attempt and their limits. The address comes first, so that all take locks in one order."""
    known = _known_subject(email, address)
    is_known = _read_count(connection, known)[1] > now
    account = known.replace("known:", "pair:") if is_known else f"account:{_digest(email)}"
    by_address = [(f"address:{client_network(address)}", ADDRESS_TRIES)] if address else []
    return [*by_address, (account, ACCOUNT_TRIES)]


def _read_count(connection: Connection, subject: str) -> tuple[int, int]:
    row = connection.execute(select(_attempts, _until).where(_subject == subject)).first()
    return (0, 0) if row is None else (row.attempts, row.until)


def _increment(connection: Connection, subject: str, now: int, window_us: int = WINDOW_US) -> tuple[int, int]:
    """Add one to a count, or restart it when its window has ended; returns the count and the window's end."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    over = _until <= now
    row = connection.execute(
        dialect.insert(sign_in_attempts)
        .values(subject=subject, attempts=1, until=now + window_us)
        .on_conflict_do_update(
            index_elements=[_subject],
            set_={
                "attempts": case((over, 1), else_=_attempts + 1),
                "until": case((over, now + window_us), else_=_until),
            },
        )
        .returning(_attempts, _until)
    ).one()
    return row.attempts, row.until


def _known_subject(email: str, address: str) -> str:
    return f"known:{_digest(email, client_network(address))}"


def _digest(*texts: str) -> str:
    """Stored instead of the text, so that unknown addresses are not kept and every subject has one size."""
    return hashlib.sha256("\0".join(texts).encode(errors="replace")).hexdigest()


def _seconds(microseconds: int) -> int:
    return -(-microseconds // SECOND_US)
