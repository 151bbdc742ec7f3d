"""The profile of a person: what people change of their own account, whatever organizations it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import Connection, delete, select, update

from tallystick import ids
from tallystick.access import names, sessions
from tallystick.access.audit import NOWHERE, Caller, differences, record_own
from tallystick.access.passwords import HashedPassword
from tallystick.access.sessions import user_of
from tallystick.access.tables import memberships, password_resets, people
from tallystick.errors import BadRequest, Conflict
from tallystick.query.scope import Principal, Scope

Appearance = Literal["system", "light", "dark"]
APPEARANCES: tuple[Appearance, ...] = ("system", "light", "dark")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person sees and changes of the own account; `zone` "" is the organization's."""

    email: str
    name: str
    zone: str
    appearance: str
    has_password: bool


def read_profile(connection: Connection, scope: Scope) -> Profile:
    """The profile of the scope's person. NotFound (`no_session`) for a key."""
    row = connection.execute(select(people).where(people.c.user_id == user_of(scope))).one()
    return Profile(row.email, row.name, row.zone, row.appearance, row.password_hash is not None)


def change_profile(
    connection: Connection,
    scope: Scope,
    *,
    name: str,
    zone: str,
    appearance: str,
    now: int,
    caller: Caller = NOWHERE,
) -> Profile:
    """Change name, zone and appearance of the scope's person. BadRequest (`bad_name`, `bad_zone`, `bad_appearance`)."""
    user_id = user_of(scope)
    if zone and zone not in available_timezones():
        raise BadRequest(
            "Unknown time zone. Choose one of the list, such as Europe/Berlin.", code="bad_zone", field="zone"
        )
    if appearance not in APPEARANCES:
        raise BadRequest("Choose system, light or dark.", code="bad_appearance", field="appearance")
    after = {"name": names.name(name) if name.strip() else "", "zone": zone, "appearance": appearance}
    connection.execute(select(people.c.user_id).where(people.c.user_id == user_id).with_for_update()).one()
    kept = read_profile(connection, scope)
    changes = differences({field: getattr(kept, field) for field in after}, after)
    if changes:
        connection.execute(update(people).where(people.c.user_id == user_id).values(after))
        record_for_person(
            connection, user_id, "user.updated", by=scope.principal, now=now, caller=caller, changes=changes
        )
    return read_profile(connection, scope)


def change_password(
    connection: Connection,
    scope: Scope,
    session_id: UUID,
    confirmed_hash: str | None,
    password: HashedPassword,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> int:
    """Set the own password; ends the person's reset links, and all sessions but `session_id`: returns their number.

    `confirmed_hash` is the stored hash that the current password was checked against. Conflict (`password_changed`) if
    it was replaced meanwhile.
    """
    user_id = user_of(scope)
    changed = connection.execute(
        update(people)
        .where(people.c.user_id == user_id, people.c.password_hash == confirmed_hash)
        .values(password_hash=password)
    )
    if not changed.rowcount:
        raise Conflict("The password was just changed elsewhere. Sign in again.", code="password_changed")
    connection.execute(delete(password_resets).where(password_resets.c.user_id == user_id))
    record_for_person(connection, user_id, "user.password_changed", by=scope.principal, now=now, caller=caller)
    return sessions.end_others(connection, scope, session_id, now=now, caller=caller)


def person_resource(user_id: UUID, email: str) -> dict[str, str]:
    """The resource of an audit event that is about a person."""
    return {"type": "user", "id": ids.encode("usr", user_id.bytes), "name": email}


def record_for_person(
    connection: Connection,
    user_id: UUID,
    action: str,
    *,
    by: Principal,
    now: int,
    caller: Caller,
    changes: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Record an audit event about an account in every organization where its membership is in force."""
    rows = connection.execute(
        select(memberships.c.org_id, people.c.email)
        .join(people, people.c.user_id == memberships.c.user_id)
        .where(memberships.c.user_id == user_id, memberships.c.disabled_at.is_(None))
        .order_by(memberships.c.org_id)
    ).all()
    for row in rows:
        record_own(
            connection, row.org_id, action, by=by, caller=caller, now=now,
            on=person_resource(user_id, row.email), changes=changes, metadata=metadata,
        )  # fmt: skip


def password_hash_of(connection: Connection, scope: Scope) -> str | None:
    """The stored hash of the scope's person; None without a password."""
    kept = connection.execute(select(people.c.password_hash).where(people.c.user_id == user_of(scope))).scalar()
    return None if kept is None else str(kept)
