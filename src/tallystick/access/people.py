"""People: accounts, which may belong to several organizations.

A disabled person loses access everywhere at once; a membership can be disabled by itself (`members.py`). Sessions are
checked against both on each use.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tallystick import ids
from tallystick.access import names
from tallystick.access.audit import NOWHERE, Caller, record_own
from tallystick.access.leavers import end_keys_of_leaver
from tallystick.access.members import Member, enter
from tallystick.access.passwords import HashedPassword
from tallystick.access.revision import bump_revision
from tallystick.access.scopes import operator_scope, parse_role, require, require_ownership
from tallystick.access.tables import memberships, password_resets, people, sessions
from tallystick.errors import Conflict, NotFound
from tallystick.query.scope import OPERATOR, Principal, Scope


def create(
    connection: Connection,
    scope: Scope,
    email: str,
    role: str,
    password: HashedPassword | None = None,
    *,
    now: int,
    name: str = "",
    caller: Caller = NOWHERE,
) -> Member:
    """Add a person to the scope's organization; without a password the person cannot sign in yet.

    A person whom another organization added before keeps account, name and password and becomes a member here as well.
    Raises BadRequest for a bad address, name or role, Forbidden, and Conflict (`member_exists`; `account_exists` if a
    password is given for an existing account).
    """
    require(scope, "admin")
    if parse_role(role) == "owner":
        require_ownership(scope)
    return add(connection, scope.org_id, email, role, password, by=scope.principal, now=now, name=name, caller=caller)


def add(
    connection: Connection,
    org_id: UUID,
    email: str,
    role: str,
    password: HashedPassword | None,
    *,
    by: Principal,
    now: int,
    name: str = "",
    caller: Caller = NOWHERE,
    user_id: UUID | None = None,
) -> Member:
    """As `create`, without its permission check: for callers within this package that checked already."""
    email = names.email(email)
    person = find_person(connection, email)
    if person is not None and password is not None:
        # Otherwise whoever adds a person to one organization could enter the others in that name.
        raise Conflict(
            f"{email} already has an account and a password. Leave the password out.",
            code="account_exists",
        )
    if person is None:
        made = insert_person(connection, user_id or ids.new_uuid(now), email, name, password, now)
        return enter(connection, org_id, made, parse_role(role), "user.created", by=by, now=now, caller=caller)
    return enter(connection, org_id, person, parse_role(role), "user.joined", by=by, now=now, caller=caller)


def set_password(
    connection: Connection, email: str, password: HashedPassword, *, now: int, caller: Caller = NOWHERE
) -> None:
    """The operator sets a person's password, which ends their sessions and reset links. NotFound (`no_person`)."""
    person = _find_or_refuse(connection, email)
    connection.execute(update(people).where(people.c.user_id == person.user_id).values(password_hash=password))
    connection.execute(delete(password_resets).where(password_resets.c.user_id == person.user_id))
    _end_sessions(connection, person.user_id)
    _record_everywhere(connection, person, "user.password_changed", now, caller)


def set_disabled(connection: Connection, email: str, disabled: bool, *, now: int, caller: Caller = NOWHERE) -> None:
    """The operator disables or enables a person everywhere. NotFound (`no_person`)."""
    person = _find_or_refuse(connection, email)
    if (person.disabled_at is not None) == disabled:
        return
    disabled_at = now if disabled else None
    connection.execute(update(people).where(people.c.user_id == person.user_id).values(disabled_at=disabled_at))
    _end_sessions(connection, person.user_id)
    if disabled:
        for org_id in _organizations_of(connection, person):
            end_keys_of_leaver(connection, operator_scope(org_id), person.email, now=now, caller=caller)
    _record_everywhere(connection, person, "user.disabled" if disabled else "user.enabled", now, caller)


def insert_person(
    connection: Connection, user_id: UUID, email: str, name: str, password: HashedPassword | None, now: int
) -> Row[Any]:
    """Make an account, unrecorded. Conflict (`account_exists`) if one of that address was just made."""
    try:
        connection.execute(
            insert(people).values(
                user_id=user_id, email=email, name=names.name(name) if name else "",
                password_hash=password, created_at=now,
            )
        )  # fmt: skip
    except IntegrityError:
        raise Conflict(f"Someone else just added {email}. Try again.", code="account_exists") from None
    return _find_or_refuse(connection, email)


def find_person(connection: Connection, email: str) -> Row[Any] | None:
    """The account of an e-mail address, as `names.email` gives it."""
    return connection.execute(select(people).where(people.c.email == email)).first()


def _find_or_refuse(connection: Connection, email: str) -> Row[Any]:
    person = find_person(connection, names.email(email))
    if person is None:
        raise NotFound(f"No user has the address {email}. Add one with `tallystick user create`.", code="no_person")
    return person


def _end_sessions(connection: Connection, user_id: UUID) -> None:
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
    bump_revision(connection)


def _organizations_of(connection: Connection, person: Row[Any]) -> Sequence[UUID]:
    rows = connection.execute(select(memberships.c.org_id).where(memberships.c.user_id == person.user_id))
    return rows.scalars().all()


def _record_everywhere(connection: Connection, person: Row[Any], action: str, now: int, caller: Caller) -> None:
    """Record the audit event in every organization that the account belongs to."""
    for org_id in _organizations_of(connection, person):
        on = {"type": "user", "id": ids.encode("usr", person.user_id.bytes), "name": person.email}
        record_own(connection, org_id, action, by=OPERATOR, caller=caller, on=on, now=now)
