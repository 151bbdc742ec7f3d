"""How often a sign-in may be tried, counted in the database for all nodes together.

A try is counted before the password is looked at, so that many at once cannot slip through, and
given back when it was right. Counted are the account, known or not, and the address. An address from
which an account has signed in lately has a count of its own: whoever guesses from elsewhere cannot
lock the person out.
"""

import hashlib
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal

from sqlalchemy import Connection, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tallystick.access.tables import sign_in_attempts
from tallystick.clock import DAY_US, SECOND_US

ACCOUNT_TRIES = 10
ADDRESS_TRIES = 30
WINDOW_US = 900 * SECOND_US
KNOWN_US = 30 * DAY_US

_subject, _attempts, _until = sign_in_attempts.c.subject, sign_in_attempts.c.attempts, sign_in_attempts.c.until


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry_after` seconds to wait, 0 for: go ahead; `closes` says for what this was the first try too many."""

    retry_after: int = 0
    closes: Literal["", "account", "address"] = ""


def seconds_closed(connection: Connection, email: str, address: str, now: int) -> int:
    """How long no try is admitted, as far as a look tells: once a try was refused, the next need not be counted."""
    for subject, most in _counted(connection, email, address, now):
        attempts, until = _state(connection, subject)
        if until > now and attempts > most:
            return _seconds(until - now)
    return 0


def admit(connection: Connection, email: str, address: str, now: int) -> Verdict:
    """Count one try. Of two at once for the last place one gets it: the row decides."""
    for subject, most in _counted(connection, email, address, now):
        attempts, until = _count(connection, subject, now)
        if attempts > most:
            what: Literal["account", "address"] = "address" if subject.startswith("address:") else "account"
            return Verdict(_seconds(until - now), what if attempts == most + 1 else "")
    return Verdict()


def give_back(connection: Connection, email: str, address: str, now: int) -> None:
    """The password was right: forget the account's tries, take back the address's one, know the address."""
    for subject, _ in _counted(connection, email, address, now):
        if subject.startswith("address:"):
            connection.execute(
                update(sign_in_attempts).where(_subject == subject, _attempts > 0).values(attempts=_attempts - 1)
            )
        else:
            connection.execute(delete(sign_in_attempts).where(_subject == subject))
    _count(connection, _known(email, address), now, KNOWN_US)


def sweep(connection: Connection, now: int, most: int = 100) -> None:
    """Remove some counts that are over. Last in a transaction, since it waits for nobody and holds rows of others."""
    over = select(_subject).where(_until <= now).limit(most).with_for_update(skip_locked=True)
    connection.execute(delete(sign_in_attempts).where(_subject.in_(over)))


def _counted(connection: Connection, email: str, address: str, now: int) -> list[tuple[str, int]]:
    """What a try counts against, and how many each allows. The address comes first: all take locks in this order."""
    known = _known(email, address)
    is_known = _state(connection, known)[1] > now
    account = known.replace("known:", "pair:") if is_known else f"account:{_digest(email)}"
    by_address = [(f"address:{_network(address)}", ADDRESS_TRIES)] if address else []
    return [*by_address, (account, ACCOUNT_TRIES)]


def _state(connection: Connection, subject: str) -> tuple[int, int]:
    row = connection.execute(select(_attempts, _until).where(_subject == subject)).first()
    return (0, 0) if row is None else (row.attempts, row.until)


def _count(connection: Connection, subject: str, now: int, window_us: int = WINDOW_US) -> tuple[int, int]:
    """Add one to a count, or begin it anew when its time is over; gives the count and its end."""
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


def _known(email: str, address: str) -> str:
    return f"known:{_digest(email, _network(address))}"


def _digest(*texts: str) -> str:
    """Addresses that nobody has an account for are not kept, and any text is one size."""
    return hashlib.sha256("\0".join(texts).encode(errors="replace")).hexdigest()


def _network(address: str) -> str:
    """An IPv6 customer has a whole /64, so that is one address here."""
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address


def _seconds(microseconds: int) -> int:
    return -(-microseconds // SECOND_US)
