"""Changes of an API key: a new name, fewer scopes, other networks, another expiry, another filter."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, update

from tallystick.access import names
from tallystick.access.audit import NOWHERE, Caller, differences, record_own
from tallystick.access.keys import (
    ApiKey,
    bad_expiry,
    check_limit,
    is_key_row,
    key_resource,
    key_settings,
    lock_key,
    parse_networks,
)
from tallystick.access.revision import bump_revision
from tallystick.access.scopes import parse_permissions, require
from tallystick.access.tables import api_keys, filter_values
from tallystick.errors import BadRequest, Conflict
from tallystick.query.mandatory_filter import MandatoryFilter
from tallystick.query.scope import Scope


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What changes of a key; "unchanged" stays. `expires_at` is in microseconds, None for never; `limit` None for all
    events."""

    name: str | None = None
    scopes: Iterable[str] | None = None
    allowed_networks: Iterable[str] | None = None
    expires_at: int | Literal["unchanged"] | None = "unchanged"
    limit: MandatoryFilter | Literal["unchanged"] | None = "unchanged"
    records_for_others: bool | None = None


def change_key(
    connection: Connection, scope: Scope, key_id: UUID, change: KeyChange, *, now: int, caller: Caller = NOWHERE
) -> ApiKey:
    """Change a key; every server obeys within a second. Nothing is recorded if nothing differs.

    Raises NotFound (`no_key`); Conflict (`key_not_active`) for one that has ended or was rotated; BadRequest as
    `keys.add_key`, and `bad_scope` for a scope that the key does not have; Forbidden (`missing_permission`) unless the
    caller may do what the changed key may.
    """
    require(scope, "admin")
    key = lock_key(connection, scope, key_id)
    if key.state(now) != "active":
        raise Conflict("This API key has ended or was rotated. Create a new one.", code="key_not_active")
    after = _changed(key, change, now)
    for permission in sorted(after.scopes):
        require(scope, permission)
    changes = differences({"name": key.name} | key_settings(key), {"name": after.name} | key_settings(after))
    if not changes:
        return key
    connection.execute(
        update(api_keys)
        .where(*is_key_row(key))
        .values(
            name=after.name,
            scopes=" ".join(sorted(after.scopes)),
            allowed_networks=" ".join(map(str, after.allowed_networks)),
            expires_at=after.expires_at,
            records_for_others=after.records_for_others,
            **filter_values(after.limit),
        )
    )
    bump_revision(connection)
    record_own(
        connection, scope.org_id, "api_key.updated",
        by=scope.principal, caller=caller, now=now, on=key_resource(after), changes=changes,
    )  # fmt: skip
    return after


def _changed(key: ApiKey, change: KeyChange, now: int) -> ApiKey:
    after = key
    if change.name is not None:
        after = replace(after, name=names.name(change.name))
    if change.scopes is not None:
        allowed = parse_permissions(change.scopes)
        if wider := sorted(allowed - key.scopes):
            raise BadRequest(
                f"A key never gets more scopes than it was made with. Create another key for {wider[0]}.",
                code="bad_scope",
                field="scopes",
            )
        after = replace(after, scopes=allowed)
    if change.allowed_networks is not None:
        after = replace(after, allowed_networks=parse_networks(change.allowed_networks))
    if change.expires_at != "unchanged" and change.expires_at != key.expires_at:
        if change.expires_at is not None and change.expires_at <= now:
            raise bad_expiry()
        after = replace(after, expires_at=change.expires_at)
    if change.limit != "unchanged":
        after = replace(after, limit=change.limit)
    if change.records_for_others is not None:
        after = replace(after, records_for_others=change.records_for_others)
    check_limit(after.scopes, after.limit)
    return after
