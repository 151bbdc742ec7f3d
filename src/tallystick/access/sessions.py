"""Sessions of people in a browser: created by a sign-in, read from the database on each use."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.revision import bump_revision
from tallystick.access.scopes import Role, person_scope, require, user_principal
from tallystick.access.secret import Secret, is_token, new_token, token_digest
from tallystick.access.tables import memberships, organizations, people, sessions
from tallystick.clock import DAY_US, HOUR_US, SECOND_US
from tallystick.errors import NotFound
from tallystick.query.mandatory_filter import read_filter
from tallystick.query.scope import Scope
from tallystick.settings import Settings

SEEN_EVERY_US = 60 * SECOND_US


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts without being used, and at most, in microseconds."""

    idle_us: int = 12 * HOUR_US
    lifetime_us: int = 7 * DAY_US

    @classmethod
    def of(cls, settings: Settings) -> "SessionLimits":
        """Those of the settings."""
        return cls(settings.session_idle_minutes * 60 * SECOND_US, settings.session_hours * HOUR_US)


DEFAULT_LIMITS = SessionLimits()
# For who ends a session or has just begun one: it is looked up whatever the settings say.
NO_LIMITS = SessionLimits(100 * 365 * DAY_US, 100 * 365 * DAY_US)


@dataclass(frozen=True, slots=True)
class Session:
    """A session in force. Times are in microseconds; `seen_at` is exact to a minute."""

    session_id: UUID
    user_id: UUID
    organization: str  # its name
    slug: str
    address: str
    user_agent: str
    created_at: int
    seen_at: int
    scope: Scope
    zone: str = ""  # of the person; "" is the organization's
    appearance: str = "system"

    @property
    def public_id(self) -> str:
        return ids.encode("ses", self.session_id.bytes)


def cookie_name(public_url: str) -> str:
    """The cookie's name. With https it begins with `__Host-`, so that browsers bind it to this host and to TLS.

    Without, it is shared with all other programs on this host, and so says whose it is.
    """
    return "__Host-sid" if public_url.startswith("https://") else "tallystick_sid"


def set_cookie(token: str, public_url: str, limits: SessionLimits = DEFAULT_LIMITS) -> str:
    """The Set-Cookie value that gives a browser the session; an empty token removes it."""
    secure = "; Secure" if public_url.startswith("https://") else ""
    age = limits.lifetime_us // SECOND_US if token else 0
    return f"{cookie_name(public_url)}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"


def begin(
    connection: Connection, user_id: UUID, org_id: UUID, *, now: int, caller: Caller = NOWHERE, method: str = "password"
) -> Secret:
    """Begin a session for a person who has just been authenticated; returns the cookie's value.

    NotFound (`no_membership`) unless person and membership are enabled.
    """
    token = new_token()
    connection.execute(
        insert(sessions).values(
            org_id=org_id, session_id=ids.new_uuid(now), user_id=user_id, token_sha256=token_digest(token),
            address=caller.address, user_agent=caller.agent, created_at=now, seen_at=now,
        )
    )  # fmt: skip
    _record_login(connection, token, now, caller, method)
    return token


def find_by_token(
    connection: Connection, token: str, now: int, limits: SessionLimits = DEFAULT_LIMITS
) -> Session | None:
    """The session of a cookie, if in force: not ended, not idle for too long, not too old, its member enabled."""
    if not is_token(token):
        return None
    row = connection.execute(_in_force(now, limits).where(sessions.c.token_sha256 == token_digest(token))).first()
    return None if row is None else _session_of_row(row)


def touch(connection: Connection, session: Session, now: int) -> None:
    """Store that the session is used, at most once a minute."""
    connection.execute(
        update(sessions)
        .where(sessions.c.session_id == session.session_id, sessions.c.seen_at <= now - SEEN_EVERY_US)
        .values(seen_at=now)
    )


def switch(connection: Connection, token: str, org_id: UUID, *, now: int, caller: Caller = NOWHERE) -> Secret:
    """Switch to another organization of the same person; returns a new cookie value.

    NotFound (`no_membership`) if the person is not an enabled member there, as for an organization that does not exist.
    """
    session = find_by_token(connection, token, now, NO_LIMITS)
    if session is None or not _is_member(connection, session.user_id, org_id):
        raise _no_membership()
    fresh = new_token()
    connection.execute(
        update(sessions)
        .where(sessions.c.token_sha256 == token_digest(token))
        .values(org_id=org_id, token_sha256=token_digest(fresh), seen_at=now)
    )
    _record_login(connection, fresh, now, caller, "organization_switch")
    return fresh


def organizations_beside(connection: Connection, session: Session) -> list[tuple[UUID, str]]:
    """The other organizations that the session's person can switch to, by name."""
    theirs = (memberships.c.user_id == session.user_id) & memberships.c.disabled_at.is_(None)
    rows = connection.execute(
        select(organizations.c.org_id, organizations.c.name)
        .join(memberships, memberships.c.org_id == organizations.c.org_id)
        .where(theirs, organizations.c.org_id != session.scope.org_id)
        .order_by(organizations.c.name)
    )
    return [(row.org_id, row.name) for row in rows]


def end(connection: Connection, token: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Sign out; does nothing if the session has ended already."""
    session = find_by_token(connection, token, now, NO_LIMITS)
    if session is None:
        return
    if _delete(connection, session.session_id, session.user_id):
        _record_own(connection, session, "user.logout", now, caller)


def list_own(connection: Connection, scope: Scope, now: int, limits: SessionLimits = DEFAULT_LIMITS) -> list[Session]:
    """The sessions in force of the scope's person, in every organization, last used first."""
    rows = connection.execute(
        _in_force(now, limits).where(sessions.c.user_id == user_of(scope)).order_by(sessions.c.seen_at.desc())
    )
    return [_session_of_row(row) for row in rows]


def list_of_organization(
    connection: Connection, scope: Scope, now: int, limits: SessionLimits = DEFAULT_LIMITS
) -> list[Session]:
    """The sessions in force in the scope's organization, last used first."""
    require(scope, "admin")
    mine = sessions.c.org_id == scope.org_id
    rows = connection.execute(_in_force(now, limits).where(mine).order_by(sessions.c.seen_at.desc()))
    return [_session_of_row(row) for row in rows]


def revoke_own(connection: Connection, scope: Scope, session_id: UUID, *, now: int, caller: Caller = NOWHERE) -> None:
    """End one of the own sessions of the scope's person. NotFound (`no_session`) for anyone else's."""
    user_id = user_of(scope)
    row = connection.execute(
        _in_force(now, NO_LIMITS).where(sessions.c.session_id == session_id, sessions.c.user_id == user_id)
    ).first()
    if row is None or not _delete(connection, session_id, user_id):
        raise NotFound("Session not found.", code="no_session")
    bump_revision(connection)
    _record_own(connection, _session_of_row(row), "user.session_revoked", now, caller)


def end_others(connection: Connection, scope: Scope, session_id: UUID, *, now: int, caller: Caller = NOWHERE) -> int:
    """End all sessions of the scope's person but one, in every organization; returns the number of ended ones."""
    user_id = user_of(scope)
    others = [
        _session_of_row(row)
        for row in connection.execute(_in_force(now, NO_LIMITS).where(sessions.c.user_id == user_id))
        if row.session_id != session_id
    ]
    ended = [other for other in others if _delete(connection, other.session_id, user_id)]
    for other in ended:
        _record_own(connection, other, "user.session_revoked", now, caller)
    if ended:
        bump_revision(connection)
    return len(ended)


def forget(connection: Connection, token: str) -> None:
    """Delete the session that a new sign-in replaces."""
    if is_token(token):
        connection.execute(delete(sessions).where(sessions.c.token_sha256 == token_digest(token)))


def sweep(connection: Connection, now: int, limits: SessionLimits = DEFAULT_LIMITS, most: int = 100) -> None:
    """Delete some expired sessions, in small steps that keep transactions short."""
    over = (
        select(sessions.c.session_id)
        .where((sessions.c.seen_at <= now - limits.idle_us) | (sessions.c.created_at <= now - limits.lifetime_us))
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    connection.execute(delete(sessions).where(sessions.c.session_id.in_(over)))


def _in_force(now: int, limits: SessionLimits) -> Select[Any]:
    return (
        select(
            sessions, organizations.c.name.label("organization"), organizations.c.slug, memberships.c.role,
            memberships.c.filter, memberships.c.filter_condition,
            people.c.email, people.c.name.label("person"), people.c.zone, people.c.appearance,
        )
        .join(organizations, organizations.c.org_id == sessions.c.org_id)
        .join(people, people.c.user_id == sessions.c.user_id)
        .join(
            memberships,
            (memberships.c.org_id == sessions.c.org_id) & (memberships.c.user_id == sessions.c.user_id),
        )
        .where(people.c.disabled_at.is_(None), memberships.c.disabled_at.is_(None))
        .where(sessions.c.seen_at > now - limits.idle_us, sessions.c.created_at > now - limits.lifetime_us)
    )  # fmt: skip


def _session_of_row(row: Row[Any]) -> Session:
    role: Role = row.role
    principal = user_principal(row.user_id, row.email, row.person)
    limit = read_filter(row.filter, row.filter_condition)
    return Session(
        row.session_id, row.user_id, row.organization, row.slug, row.address, row.user_agent,
        row.created_at, row.seen_at, person_scope(row.org_id, principal, role, limit), row.zone, row.appearance,
    )  # fmt: skip


def user_of(scope: Scope) -> UUID:
    """The id of the person behind a scope; NotFound (`no_session`) for a key, which has no sessions."""
    try:
        return ids.parse_uuid("usr", scope.principal.id)
    except ValueError:
        raise NotFound("Only people have sessions, not API keys.", code="no_session") from None


def _delete(connection: Connection, session_id: UUID, user_id: UUID) -> bool:
    gone = connection.execute(
        delete(sessions).where(sessions.c.session_id == session_id, sessions.c.user_id == user_id)
    )
    return gone.rowcount > 0


def _is_member(connection: Connection, user_id: UUID, org_id: UUID) -> bool:
    mine = (memberships.c.org_id == org_id) & (memberships.c.user_id == user_id) & memberships.c.disabled_at.is_(None)
    return connection.execute(select(memberships.c.org_id).where(mine)).first() is not None


def _no_membership() -> NotFound:
    return NotFound("You do not belong to this organization. Sign in again.", code="no_membership")


def _record_login(connection: Connection, token: Secret, now: int, caller: Caller, method: str) -> None:
    session = find_by_token(connection, token, now, NO_LIMITS)
    if session is None:
        raise _no_membership()
    member = (memberships.c.org_id == session.scope.org_id) & (memberships.c.user_id == session.user_id)
    last = {"signed_in_at": now} | ({} if method == "organization_switch" else {"sign_in_method": method})
    connection.execute(update(memberships).where(member).values(last))
    _record_own(connection, session, "user.login", now, caller, {"method": method})


def _record_own(
    connection: Connection,
    session: Session,
    action: str,
    now: int,
    caller: Caller,
    metadata: dict[str, str] | None = None,
) -> None:
    person = session.scope.principal
    record_own(
        connection, session.scope.org_id, action, by=person, caller=caller, now=now, session=session.public_id,
        on=resource("session", session.session_id, "ses", person.email), metadata=metadata,
    )  # fmt: skip
