"""Reset of a password by a link in an email: valid for an hour, used once.

Nothing here is answered to whoever asks for a link: the door answers the same for every address, before `issue` is
called. At most three links an hour go to one account; all stay valid, so that somebody who asks in another's name
neither floods a mailbox nor keeps its owner from a link that works.
"""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update

from tallystick.access import names, throttle
from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.client_address import client_network
from tallystick.access.passwords import HashedPassword
from tallystick.access.profile import record_for_person
from tallystick.access.revision import bump_revision
from tallystick.access.scopes import user_principal
from tallystick.access.secret import Secret, is_token, new_token, token_digest
from tallystick.access.tables import memberships, password_resets, people, sessions
from tallystick.clock import HOUR_US
from tallystick.errors import BadRequest, NotFound

LIFETIME_US = HOUR_US
LINKS_OF_ACCOUNT = 3
REQUESTS_OF_ADDRESS = 20


@dataclass(frozen=True, slots=True)
class ResetLink:
    """A link that was issued: the token of its URL, whom to send it to, and an organization of the person."""

    token: Secret
    email: str
    name: str
    org_id: UUID = field(repr=False)


def seconds_to_wait(connection: Connection, address: str, now: int, *, is_known: bool) -> int:
    """Count a request for a link from an address; returns the seconds to wait after 20 within an hour.

    Not for a browser that an account signed in with (`is_known`), so that others at the address do not hinder it.
    """
    if is_known or not address:
        return 0
    return throttle.count_up(connection, f"reset-from:{client_network(address)}", REQUESTS_OF_ADDRESS, now, HOUR_US)


def issue(connection: Connection, email: str, *, now: int, caller: Caller = NOWHERE) -> ResetLink | None:
    """Make a link for the account of an address; None without an account in use, or after three within the hour."""
    try:
        email = names.email(email)
    except BadRequest:
        return None
    person = connection.execute(
        select(people.c.user_id, people.c.email, people.c.name, memberships.c.org_id)
        .join(memberships, memberships.c.user_id == people.c.user_id)
        .where(people.c.email == email, people.c.disabled_at.is_(None), memberships.c.disabled_at.is_(None))
        .order_by(memberships.c.joined_at, memberships.c.org_id)
        .limit(1)
    ).first()
    if person is None:
        return None
    if throttle.count_up(connection, f"reset-of:{person.user_id.hex}", LINKS_OF_ACCOUNT, now, HOUR_US):
        return None
    token = new_token()
    connection.execute(delete(password_resets).where(password_resets.c.expires_at <= now))
    connection.execute(
        insert(password_resets).values(
            token_sha256=token_digest(token), user_id=person.user_id, expires_at=now + LIFETIME_US
        )
    )
    by = user_principal(person.user_id, person.email, person.name)
    record_for_person(connection, person.user_id, "user.password_reset_requested", by=by, now=now, caller=caller)
    return ResetLink(token, person.email, person.name, person.org_id)


def check(connection: Connection, token: str, *, now: int) -> None:
    """NotFound (`bad_reset_link`) unless the link can still be used."""
    if is_token(token):
        this = (password_resets.c.token_sha256 == token_digest(token)) & (password_resets.c.expires_at > now)
        if connection.execute(select(password_resets.c.user_id).where(this)).first() is not None:
            return
    raise _bad_link()


def use(connection: Connection, token: str, password: HashedPassword, *, now: int, caller: Caller = NOWHERE) -> None:
    """Set the password of the link's person; ends all their sessions and links.

    Of concurrent uses of one person's links one wins; the others get NotFound (`bad_reset_link`).
    """
    check(connection, token, now=now)
    this = (password_resets.c.token_sha256 == token_digest(token)) & (password_resets.c.expires_at > now)
    person = connection.execute(
        select(people)
        .join(password_resets, password_resets.c.user_id == people.c.user_id)
        .where(this)
        .with_for_update(of=people)
    ).first()
    if person is None or not connection.execute(delete(password_resets).where(this)).rowcount:
        raise _bad_link()
    connection.execute(delete(password_resets).where(password_resets.c.user_id == person.user_id))
    connection.execute(update(people).where(people.c.user_id == person.user_id).values(password_hash=password))
    connection.execute(delete(sessions).where(sessions.c.user_id == person.user_id))
    bump_revision(connection)
    throttle.clear_account(connection, person.email)
    by = user_principal(person.user_id, person.email, person.name)
    record_for_person(connection, person.user_id, "user.password_reset_completed", by=by, now=now, caller=caller)


def _bad_link() -> NotFound:
    return NotFound(
        "This link was already used or has expired. Ask for a new one on the sign-in page.", code="bad_reset_link"
    )
