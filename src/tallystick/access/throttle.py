"""Throttling of sign-in attempts, counted in the database for all nodes together.

An attempt is counted before the password is checked, so that concurrent ones cannot slip through, and given back if it
was right. What is counted depends on where it comes from:

- a browser in which the account signed in before: that browser's attempts for the account, and nothing else;
- an address from which the account signed in lately: the attempts from there for the account, and nothing else;
- anywhere else: all attempts for the account, known or not, and all attempts from the address.

So guessing locks nobody out of the places where they sign in. An address that many accounts share, such as that of a
company or of a proxy that the operator did not name, is not locked for those who come new either: its attempts are
slowed down, and the count of the account decides.
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
SHARED_ACCOUNTS = 3  # that signed in from an address lately; then others are expected to do so too
SLOW_US = 2 * SECOND_US

_subject, _attempts, _until = sign_in_attempts.c.subject, sign_in_attempts.c.attempts, sign_in_attempts.c.until


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """An attempt: for which account, from which address, and from which remembered browser of the account.

    `is_shared`: the address is that of a proxy which the operator did not name, so that it may be anybody's.
    """

    email: str
    address: str
    device_id: str = ""
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class ThrottleResult:
    """`retry_after`: seconds to wait, 0 to go ahead; `closes`: for what the attempt was the first one refused."""

    retry_after: int = 0
    closes: Literal["", "account", "address"] = ""


def seconds_closed(connection: Connection, attempt: SignInAttempt, now: int) -> int:
    """Seconds until attempts are admitted again, without counting one."""
    own = _own_subject(connection, attempt, now)
    if own is None:
        closed = address_seconds_closed(connection, attempt.address, now, is_shared=attempt.is_shared)
        if closed:
            return closed
    return _seconds_left(connection, own or _account_subject(attempt), ACCOUNT_TRIES, now)


def address_seconds_closed(connection: Connection, address: str, now: int, *, is_shared: bool) -> int:
    """Seconds until an address admits attempts of accounts and browsers that are not known there."""
    closed = _seconds_left(connection, _address_subject(address), ADDRESS_TRIES, now) if address else 0
    if closed and (is_shared or _is_shared(connection, address, now)):
        return _seconds_left(connection, _slow_subject(address), 0, now)
    return closed


def is_known_address(connection: Connection, address: str, now: int) -> bool:
    """Whether any account signed in from this address lately."""
    return _read_count(connection, _shared_subject(address))[1] > now


def count_attempt(connection: Connection, attempt: SignInAttempt, now: int) -> ThrottleResult:
    """Count one attempt. Of two concurrent ones for the last place one gets it: the row decides."""
    own = _own_subject(connection, attempt, now)
    if own is None and attempt.address:  # the address comes first, so that all take locks in one order
        result = _count_address(connection, attempt, now)
        if result.retry_after:
            return result
    attempts, until = _increment(connection, own or _account_subject(attempt), now)
    if attempts > ACCOUNT_TRIES:
        return ThrottleResult(_seconds(until - now), "account" if attempts == ACCOUNT_TRIES + 1 else "")
    return ThrottleResult()


def reset_after_success(connection: Connection, attempt: SignInAttempt, now: int) -> None:
    """After a right password: reset the account's count, take the attempt back, remember the address."""
    own = _own_subject(connection, attempt, now)
    if own is None and attempt.address:
        connection.execute(
            update(sign_in_attempts)
            .where(_subject == _address_subject(attempt.address), _attempts > 0)
            .values(attempts=_attempts - 1)
        )
    connection.execute(delete(sign_in_attempts).where(_subject == (own or _account_subject(attempt))))
    if not attempt.address:
        return
    times, _ = _increment(connection, _known_subject(attempt), now, KNOWN_US)
    if times == 1:
        _increment(connection, _shared_subject(attempt.address), now, KNOWN_US)


def count_up(connection: Connection, subject: str, most: int, now: int, window_us: int = WINDOW_US) -> int:
    """Count one of something else, such as requests for a link; returns the seconds to wait if there were too many."""
    attempts, until = _increment(connection, subject, now, window_us)
    return _seconds(until - now) if attempts > most else 0


def clear(connection: Connection, subject: str) -> None:
    """Delete the count of `count_up`."""
    connection.execute(delete(sign_in_attempts).where(_subject == subject))


def clear_account(connection: Connection, email: str) -> None:
    """Delete the count of an account whose owner has proven to be it, by a link in an email."""
    clear(connection, _account_subject(SignInAttempt(email, "")))


def sweep(connection: Connection, now: int, most: int = 100) -> None:
    """Delete some expired counts. Run it last in a transaction: it holds rows that others wait for."""
    over = select(_subject).where(_until <= now).limit(most).with_for_update(skip_locked=True)
    connection.execute(delete(sign_in_attempts).where(_subject.in_(over)))


def _count_address(connection: Connection, attempt: SignInAttempt, now: int) -> ThrottleResult:
    attempts, until = _increment(connection, _address_subject(attempt.address), now)
    if attempts <= ADDRESS_TRIES:
        return ThrottleResult()
    if attempt.is_shared or _is_shared(connection, attempt.address, now):
        at_once, until = _increment(connection, _slow_subject(attempt.address), now, SLOW_US)
        return ThrottleResult(_seconds(until - now) if at_once > 1 else 0)
    return ThrottleResult(_seconds(until - now), "address" if attempts == ADDRESS_TRIES + 1 else "")


def _own_subject(connection: Connection, attempt: SignInAttempt, now: int) -> str | None:
    """What is counted for an account in a browser, or at an address, where it signed in before; None elsewhere."""
    if attempt.device_id:
        return f"device:{_digest(attempt.email, attempt.device_id)}"
    known = _known_subject(attempt)
    return known.replace("known:", "pair:") if _read_count(connection, known)[1] > now else None


def _is_shared(connection: Connection, address: str, now: int) -> bool:
    accounts, until = _read_count(connection, _shared_subject(address))
    return until > now and accounts >= SHARED_ACCOUNTS


def _seconds_left(connection: Connection, subject: str, most: int, now: int) -> int:
    attempts, until = _read_count(connection, subject)
    return _seconds(until - now) if until > now and attempts > most else 0


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


def _known_subject(attempt: SignInAttempt) -> str:
    return f"known:{_digest(attempt.email, client_network(attempt.address))}"


def _account_subject(attempt: SignInAttempt) -> str:
    return f"account:{_digest(attempt.email)}"


def _address_subject(address: str) -> str:
    return f"address:{client_network(address)}"


def _shared_subject(address: str) -> str:
    """Its count is the number of accounts that signed in from there lately."""
    return f"shared:{client_network(address)}"


def _slow_subject(address: str) -> str:
    return f"slow:{client_network(address)}"


def _digest(*texts: str) -> str:
    """Stored instead of the text, so that unknown addresses are not kept and every subject has one size."""
    return hashlib.sha256("\0".join(texts).encode(errors="replace")).hexdigest()


def _seconds(microseconds: int) -> int:
    return -(-microseconds // SECOND_US)
