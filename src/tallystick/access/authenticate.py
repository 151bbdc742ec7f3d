"""Authentication: from an API key or a session cookie to a scope."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import or_, update
from sqlalchemy.exc import SQLAlchemyError

from tallystick.access import keys, sessions
from tallystick.access.audit import Caller, record_own
from tallystick.access.client_address import read_address, within
from tallystick.access.keys import ApiKey, scope_of_key
from tallystick.access.rate_limit import RateLimit
from tallystick.access.secret import token_digest
from tallystick.access.sessions import DEFAULT_LIMITS, Session, SessionLimits
from tallystick.access.tables import api_keys
from tallystick.access.unknown_keys import UnknownKeys
from tallystick.clock import SECOND_US, now_us, rfc3339
from tallystick.database.engine import Database
from tallystick.errors import Unauthorized
from tallystick.query.scope import Scope

REMEMBERED_US = 5 * SECOND_US
USED_EVERY_US = 60 * SECOND_US
REJECTED_EVERY_US = 3600 * SECOND_US
_MOST_REMEMBERED = 10_000

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _CachedKey:
    """A key's scope as it was last read from the database."""

    key: ApiKey
    scope: Scope
    at: int
    revision: int | None  # of access, read before the key was


class Authenticator:
    """Authenticates keys and sessions. `key_scope` and `session` read the database and block; `remembered` never does.

    `rate_limit` counts the requests of each key, whichever of the two methods answers.
    """

    def __init__(
        self,
        database: Database,
        *,
        rate_limit: RateLimit | None = None,
        now: Callable[[], int] = now_us,
        revision: Callable[[], int | None] = lambda: 0,
        limits: SessionLimits = DEFAULT_LIMITS,
    ) -> None:
        """`revision`: that of access, None if it is not known; a key cached under another one is read again."""
        self._database = database
        self._revision = revision
        self._rate_limit = rate_limit or RateLimit(0)
        self._now = now
        self.limits = limits
        self._seen: dict[bytes, _CachedKey] = {}
        self._used: dict[UUID, int] = {}
        self._rejected: dict[tuple[UUID, str], int] = {}
        self._unknown = UnknownKeys(now)

    @property
    def revision(self) -> int | None:
        """The revision of access: where it changes, a scope that is held has to be read again. None: not known."""
        return self._revision()

    def cached_scope(self, token: str, address: str) -> Scope | None:
        """The key's scope if it was read within the last five seconds, else None: then call `key_scope` in a thread.

        None as well after any change that takes access away, wherever it was made, within a second.
        """
        seen = self._seen.get(token_digest(token)) if token.isascii() else None
        now = self._now()
        if seen is None or not 0 <= now - seen.at < REMEMBERED_US or _objection(seen.key, address, now):
            return None
        if seen.revision is None or seen.revision != self._revision():
            return None
        self._rate_limit.take(seen.key.key_id)
        return seen.scope

    def key_scope(self, token: str, address: str) -> Scope:
        """The scope of an API key that is used from `address` (as `client_address` gives it).

        Raises Unauthorized: `bad_api_key` (mistyped or unknown), `key_revoked`, `key_expired`, `address_not_allowed`;
        TooMany (`rate_limited`).
        """
        scope = self.cached_scope(token, address)
        if scope is not None:
            return scope
        if not keys.is_well_formed(token):
            self._unknown.note("malformed", token, address)
            raise _unknown_key()
        revision = self._revision()
        with self._database.read() as connection:
            key = keys.find_by_token(connection, token)
        if key is None:
            self._unknown.note("unknown", token, address)
            raise _unknown_key()
        now = self._now()
        objection = _objection(key, address, now)
        if objection:
            self._note_rejected(key, objection, address, now)
            raise Unauthorized(_REASONS[objection], code=objection)
        self._rate_limit.take(key.key_id)
        scope = scope_of_key(key)
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen.clear()
        self._seen[token_digest(token)] = _CachedKey(key, scope, now, revision)
        self._note_used(key, address, now)
        return scope

    def session(self, cookie: str) -> Session:
        """The session of a cookie's value. Unauthorized (`no_session`) if it ended or never existed."""
        session, now = self._read_session(cookie), self._now()
        if now - session.seen_at >= sessions.SEEN_EVERY_US:
            try:
                with self._database.write() as connection:
                    sessions.touch(connection, session, now)
            except SQLAlchemyError as problem:
                logger.warning("session_not_touched", problem=str(problem))
        return session

    def session_scope(self, cookie: str) -> Scope:
        """The scope of the session of a cookie's value; errors as `session`.

        The session is not used by this: a page that stays open alone, as a live view does, ends when it is idle.
        """
        return self._read_session(cookie).scope

    def _read_session(self, cookie: str) -> Session:
        with self._database.read() as connection:
            session = sessions.find_by_token(connection, cookie, self._now(), self.limits)
        if session is None:
            raise Unauthorized("Not signed in, or the session has ended. Sign in again.", code="no_session")
        return session

    def _note_used(self, key: ApiKey, address: str, now: int) -> None:
        """Store the last use, once a minute over all nodes. A failure here does not refuse the key."""
        last = max(self._used.get(key.key_id, 0), key.last_used_at or 0)
        if now - last < USED_EVERY_US:
            return
        self._used[key.key_id] = now
        mine = (api_keys.c.org_id == key.org_id) & (api_keys.c.key_id == key.key_id)
        due = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= now - USED_EVERY_US)
        try:
            with self._database.write() as connection:
                connection.execute(
                    update(api_keys).where(mine, due).values(last_used_at=now, last_used_address=address)
                )
        except SQLAlchemyError as problem:
            logger.warning("key_use_not_noted", key=key.public_id, problem=str(problem))

    def _note_rejected(self, key: ApiKey, reason: str, address: str, now: int) -> None:
        """Record that a known key was refused: an audit event for its organization, at most once an hour."""
        if now - self._rejected.get((key.key_id, reason), 0) < REJECTED_EVERY_US:
            return
        self._rejected[key.key_id, reason] = now
        scope = scope_of_key(key)
        changes = {"reason": reason} | ({"expired_at": rfc3339(key.expires_at)} if key.expires_at else {})
        try:
            with self._database.write() as connection:
                record_own(
                    connection, key.org_id, "api_key.rejected",
                    by=scope.principal, caller=Caller(address, address, source="api"), now=now,
                    on=keys.key_resource(key), changes=changes,
                )  # fmt: skip
        except SQLAlchemyError as problem:
            logger.warning("key_rejection_not_noted", key=key.public_id, problem=str(problem))


_REASONS = {
    "key_revoked": "This API key was revoked. Use another key.",
    "key_expired": "This API key has expired. Use another key.",
    "address_not_allowed": "This API key cannot be used from this address. Ask an admin to allow your network.",
}


def _objection(key: ApiKey, address: str, now: int) -> str:
    """The error code of the reason why the key may not be used, or None."""
    if key.revoked_at is not None:
        return "key_revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "key_expired"
    if key.allowed_networks:
        client = read_address(address)
        if client is None or not within(client, key.allowed_networks):
            return "address_not_allowed"
    return ""


def _unknown_key() -> Unauthorized:
    return Unauthorized("Unknown API key. Send a valid key as `Authorization: Bearer tsk_…`.", code="bad_api_key")
