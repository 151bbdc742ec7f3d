"""Sign-in with e-mail address and password.

Promise: an unknown account, a wrong password, a disabled person and one without membership get the same answer after
the same work. Only someone who knows the password learns anything.
"""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
import structlog
from sqlalchemy import Connection, select, update

from tallystick.access import names, passwords, sessions, throttle
from tallystick.access.audit import NOWHERE, Caller, record_own
from tallystick.access.client_address import client_network
from tallystick.access.passwords import HashedPassword
from tallystick.access.remembered_device import RememberedDevice
from tallystick.access.scopes import user_principal
from tallystick.access.secret import Secret
from tallystick.access.sessions import DEFAULT_LIMITS, Session, SessionLimits
from tallystick.access.tables import memberships, people
from tallystick.access.throttle import SignInAttempt
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, TooMany, Unauthorized, Unavailable
from tallystick.query.scope import Principal

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 2  # beside the one that hashes
CONFIRM_TRIES = 10
MOST_AT_ONCE = 20  # running and waiting: a flood is refused
MOST_OF_ADDRESS = 10  # of them, so that a flood from one address leaves places to others

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Account:
    """What a sign-in needs of an account; for an unknown address only the address."""

    email: str
    principal: Principal | None = None
    user_id: UUID | None = None
    password_hash: str | None = None
    is_disabled: bool = False
    org_ids: tuple[UUID, ...] = ()  # where the membership is in force, joined first first


class SignIn:
    """One per server process, since it bounds the memory that password hashing takes. Used on the event loop.

    Sign-ins have threads of their own, and passwords are hashed one at a time: no flood of them delays anything else.
    """

    def __init__(
        self, database: Database, *, now: Callable[[], int] = now_us, limits: SessionLimits = DEFAULT_LIMITS
    ) -> None:
        self._database = database
        self._now = now
        self._limits = limits
        self._threads = anyio.CapacityLimiter(THREADS)
        self._inside: Counter[str] = Counter()  # running and waiting, by the client's network
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="hashing", initializer=_leave_a_core)

    async def sign_in(
        self,
        email: str,
        password: str,
        *,
        caller: Caller = NOWHERE,
        previous: str = "",
        device: RememberedDevice | None = None,
        is_shared: bool = False,
    ) -> Secret:
        """The cookie value of a new session, in the organization joined first; the session `previous` ends.

        `device` is the browser, if an account signed in there before; `is_shared` says that the address may be
        anybody's. Raises Unauthorized (`sign_in_failed`), TooMany (`too_many_sign_ins`), Unavailable (`sign_in_busy`).
        """
        folded = _folded(email)
        device_id = device.device_id if device is not None and device.is_of(folded) else ""
        attempt = SignInAttempt(folded, caller.address, device_id, is_shared)
        return await self._run(caller.address, partial(self._sign_in, attempt, password, caller, previous))

    async def refuse_closed_address(self, caller: Caller, *, is_shared: bool) -> None:
        """Raise TooMany before the form is read, from an address where no account is known and none would be admitted.

        Not for a remembered browser. Raises Unavailable (`sign_in_busy`).
        """
        look = partial(self._address_seconds_closed, caller.address, is_shared=is_shared)
        wait = await self._run(caller.address, look)
        if wait:
            raise _too_many(wait)

    async def hashed(self, password: str) -> HashedPassword:
        """Hash a new password within the same bounds; call it before a transaction begins."""
        return await self._run("", partial(self._hash, passwords.hash_password, password))

    async def confirm_password(self, session: Session, password: str, *, caller: Caller = NOWHERE) -> None:
        """Check the password of somebody who is signed in, before a change that needs it.

        Raises BadRequest (`wrong_password`), and TooMany after ten attempts of the session within 15 minutes: another
        session counts for itself, so nobody locks others out.
        """
        await self._run(caller.address, partial(self._confirm_password, session, password))

    def _confirm_password(self, session: Session, password: str) -> None:
        now = self._now()
        with self._database.write() as connection:
            wait = throttle.count_up(connection, f"confirm:{session.session_id.hex}", CONFIRM_TRIES, now)
            account = _find(connection, session.scope.principal.email)
        if wait:
            raise _too_many(wait)
        if not self._hash(passwords.verify_password, account.password_hash, password):
            raise BadRequest("This is not your current password. Try again.", code="wrong_password", field="current")
        with self._database.write() as connection:
            throttle.clear(connection, f"confirm:{session.session_id.hex}")

    def _sign_in(self, attempt: SignInAttempt, password: str, caller: Caller, previous: str) -> Secret:
        account = self._admit(attempt, caller)
        right = self._hash(passwords.verify_password, account.password_hash, password)
        token = self._enter(account, attempt, caller, previous) if right else None
        if token is None:
            self._refuse(account, caller)
            raise Unauthorized(
                "Wrong email or password, or the account has no access. Try again, or ask an owner of your "
                "organization.",
                code="sign_in_failed",
            )
        if account.password_hash is not None and passwords.needs_rehash(account.password_hash):
            self._renew_hash(account.password_hash, account.user_id, password)
        return token

    def _address_seconds_closed(self, address: str, *, is_shared: bool) -> int:
        now = self._now()
        with self._database.read() as connection:
            if not address or throttle.is_known_address(connection, address, now):
                return 0
            return throttle.address_seconds_closed(connection, address, now, is_shared=is_shared)

    async def _run(self, address: str, work: Callable[[], T]) -> T:
        network = client_network(address)
        if self._inside.total() >= MOST_AT_ONCE or self._inside[network] >= MOST_OF_ADDRESS:
            raise Unavailable(
                "Too many people are signing in right now. Try again in a moment.", code="sign_in_busy", retry_after=2
            )
        self._inside[network] += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._inside[network] -= 1
            if not self._inside[network]:
                del self._inside[network]

    def _hash(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self._hashing.submit(function, *args, **kwargs).result()

    def _admit(self, attempt: SignInAttempt, caller: Caller) -> _Account:
        """Count the attempt and look the account up: the same statements whether it exists or not."""
        now = self._now()
        with self._database.read() as connection:
            wait = throttle.seconds_closed(connection, attempt, now)
        if wait:  # a flood is answered without taking the lock of writers
            raise _too_many(wait)
        with self._database.write() as connection:
            verdict = throttle.count_attempt(connection, attempt, now)
            account = _find(connection, attempt.email)
            if verdict.closes == "account":
                _tell_organizations(connection, account, "user.login_blocked", caller, now)
        if verdict.closes:
            logger.warning("sign_in_blocked", what=verdict.closes, address=caller.address, email=attempt.email)
        if verdict.retry_after:
            raise _too_many(verdict.retry_after)
        return account

    def _enter(self, account: _Account, attempt: SignInAttempt, caller: Caller, previous: str) -> Secret | None:
        """Begin the session; None if the account lost its access or changed its password meanwhile."""
        now = self._now()
        with self._database.write() as connection:
            fresh = _find(connection, account.email)
            if fresh.user_id is None or fresh.is_disabled or not fresh.org_ids:
                return None
            if fresh.password_hash != account.password_hash:
                return None
            throttle.reset_after_success(connection, attempt, now)
            sessions.forget(connection, previous)
            token = sessions.begin(connection, fresh.user_id, fresh.org_ids[0], now=now, caller=caller)
            sessions.sweep(connection, now, self._limits)
            throttle.sweep(connection, now)
            return token

    def _refuse(self, account: _Account, caller: Caller) -> None:
        """Record the failure in the trails of the account's organizations, or, without one, in the server's log."""
        now = self._now()
        with self._database.write() as connection:
            _tell_organizations(connection, account, "user.login_failed", caller, now)
            throttle.sweep(connection, now)
        if not account.org_ids:
            logger.warning("sign_in_failed", address=caller.address, email=account.email)

    def _renew_hash(self, outdated: str, user_id: UUID | None, password: str) -> None:
        renewed = self._hash(passwords.rehash_password, password)
        with self._database.write() as connection:
            connection.execute(
                update(people)
                .where(people.c.user_id == user_id, people.c.password_hash == outdated)
                .values(password_hash=renewed)
            )


def _leave_a_core() -> None:
    """Keep this thread, and those that argon2 starts from it, off one of the cores."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[1:] or cores)


def _too_many(seconds: int) -> TooMany:
    return TooMany("Too many sign-in attempts. Wait, then try again.", code="too_many_sign_ins", retry_after=seconds)


def _find(connection: Connection, email: str) -> _Account:
    rows = connection.execute(
        select(people, memberships.c.org_id, memberships.c.disabled_at.label("member_disabled_at"))
        .outerjoin(memberships, memberships.c.user_id == people.c.user_id)
        .where(people.c.email == email)
        .order_by(memberships.c.joined_at, memberships.c.org_id)
    ).all()
    if not rows:
        return _Account(email)
    row = rows[0]
    return _Account(
        email,
        user_principal(row.user_id, row.email, row.name),
        row.user_id,
        row.password_hash,
        row.disabled_at is not None,
        tuple(one.org_id for one in rows if one.org_id is not None and one.member_disabled_at is None),
    )


def _tell_organizations(connection: Connection, account: _Account, action: str, caller: Caller, now: int) -> None:
    if account.principal is None:
        return
    on = {"type": "user", "id": account.principal.id, "name": account.email}
    for org_id in account.org_ids:
        record_own(connection, org_id, action, by=account.principal, caller=caller, on=on, now=now)


def _folded(email: str) -> str:
    """The address as accounts are found by; "" (which no account has) for an impossible one."""
    try:
        return names.email(email)
    except BadRequest:
        return ""
