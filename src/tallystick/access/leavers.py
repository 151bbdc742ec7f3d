"""Leavers: which API keys end with the access of the person who made them.

Links, schedules and exports of a leaver are held to the access of whoever made them at each use (`current_scope`).
"""

from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, select, update

from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.keys import ApiKey, key_resource, read_key
from tallystick.access.revision import bump_revision
from tallystick.access.scopes import require, require_ownership
from tallystick.access.tables import api_keys, organizations
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope

WRITING = frozenset({"events:write"})
# What an organization ends with a leaver: keys that may do more than record, every key, or none.
LeaverKeys = Literal["reading", "all", "none"]
CHOICES: tuple[LeaverKeys, ...] = ("reading", "all", "none")


def read_leaver_keys(connection: Connection, org_id: UUID) -> LeaverKeys:
    """Which keys of a leaver end in an organization."""
    chosen: LeaverKeys = connection.execute(
        select(organizations.c.leaver_keys).where(organizations.c.org_id == org_id)
    ).scalar_one()
    return chosen


def set_leaver_keys(
    connection: Connection, scope: Scope, choice: str, *, now: int, caller: Caller = NOWHERE
) -> LeaverKeys:
    """Choose which keys end with their maker's access, from now on. Owners only; BadRequest (`bad_leaver_keys`)."""
    require(scope, "admin")
    require_ownership(scope)
    chosen = next((known for known in CHOICES if known == choice), None)
    if chosen is None:
        raise BadRequest(f"Choose one of {', '.join(CHOICES)}.", code="bad_leaver_keys", field="leaver_keys")
    mine = organizations.c.org_id == scope.org_id
    row = connection.execute(select(organizations).where(mine).with_for_update()).one()
    if row.leaver_keys == chosen:
        return chosen
    connection.execute(update(organizations).where(mine).values(leaver_keys=chosen))
    record_own(
        connection, scope.org_id, "organization.updated", by=scope.principal, caller=caller, now=now,
        on=resource("organization", scope.org_id, "org", row.name),
        changes={"leaver_keys": {"before": row.leaver_keys, "after": chosen}},
    )  # fmt: skip
    return chosen


def end_keys_of_leaver(connection: Connection, scope: Scope, email: str, *, now: int, caller: Caller) -> dict[str, Any]:
    """Revoke keys that a leaver made, and keys that those made, as the organization chose; mark the others.

    The owners are told of the others (`key_warnings`). Returns the names for the event of the change: `keys_revoked`
    and `keys_kept`, each where there are any.
    """
    choice = read_leaver_keys(connection, scope.org_id)
    revoked, kept = [], []
    for key in _keys_of(connection, scope.org_id, email):
        if key.state(now) not in ("active", "ending"):
            continue
        is_row = (api_keys.c.org_id == key.org_id) & (api_keys.c.key_id == key.key_id)
        if choice == "none" or (choice == "reading" and key.scopes <= WRITING):
            kept.append(key.name)
            connection.execute(update(api_keys).where(is_row).values(maker_left_at=now, owners_told_at=None))
            continue
        revoked.append(key.name)
        connection.execute(update(api_keys).where(is_row).values(revoked_at=now))
        record_own(
            connection, scope.org_id, "api_key.revoked", by=scope.principal, caller=caller, now=now,
            on=key_resource(key), changes={"reason": "maker_left"},
        )  # fmt: skip
    if revoked:
        bump_revision(connection)
    return {name: found for name, found in (("keys_revoked", revoked), ("keys_kept", kept)) if found}


def _keys_of(connection: Connection, org_id: UUID, email: str) -> list[ApiKey]:
    """The keys that a person made, and those that were made with one of them; locked, in the order of their ids."""
    rows = connection.execute(
        select(api_keys).where(api_keys.c.org_id == org_id).order_by(api_keys.c.key_id).with_for_update()
    )
    keys, makers = list(map(read_key, rows)), {email}
    while len(found := [key for key in keys if key.created_by in makers]) >= len(makers):
        makers |= {key.public_id for key in found}
    return found
