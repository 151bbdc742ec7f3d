"""API keys: `tsk_` + 30 random base-62 characters + 6 of their CRC32. Shown once; only the SHA-256 is stored."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from tallystick import ids
from tallystick.access import names
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.revision import bump_revision
from tallystick.access.scopes import api_key_scope, parse_permissions, require, stored_permissions
from tallystick.access.secret import Secret, token_digest
from tallystick.access.tables import api_keys, filter_values
from tallystick.clock import DAY_US, rfc3339
from tallystick.errors import BadRequest, Conflict, NotFound
from tallystick.events.key_text import ALPHABET, PREFIX, check_digits, is_key_text
from tallystick.query.mandatory_filter import MandatoryFilter, read_filter
from tallystick.query.scope import Permission, Principal, Scope
from tallystick.setting_values import Network, parse_network

MOST_NETWORKS = 50
MOST_OVERLAP_US = 30 * DAY_US
# What a key with a filter may do: nothing that covers the whole trail, or that could lift the filter.
FILTERED_PERMISSIONS: frozenset[Permission] = frozenset({"events:write", "events:read", "exports"})
KeyState = Literal["active", "ending", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret. Times are in microseconds; `last_used_at` is exact to a minute."""

    org_id: UUID
    key_id: UUID
    name: str
    scopes: frozenset[Permission]
    last4: str
    allowed_networks: tuple[Network, ...]  # empty is every address
    created_by: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    last_used_address: str  # "" before the first use, and for uses by earlier versions
    revoked_at: int | None
    replaced_by: UUID | None  # the key that a rotation made in its place
    limit: MandatoryFilter | None  # what it may read; None is all events
    records_for_others: bool  # an event that it records without an actor is nobody's

    def state(self, now: int) -> KeyState:
        """Whether it can be used at `now`, and why not; one that was rotated is `ending` until it expires."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "active" if self.replaced_by is None else "ending"

    @property
    def public_id(self) -> str:
        return ids.encode("key", self.key_id.bytes)


def create_key(
    connection: Connection,
    scope: Scope,
    name: str,
    scopes: Iterable[str],
    *,
    now: int,
    expires_at: int | None = None,
    allowed_networks: Iterable[str] = (),
    limit: MandatoryFilter | None = None,
    records_for_others: bool = False,
    caller: Caller = NOWHERE,
) -> Secret:
    """Create a key of the scope's organization and return its text, as `add_key` does."""
    return add_key(
        connection, scope, name, scopes,
        now=now, expires_at=expires_at, allowed_networks=allowed_networks,
        limit=limit, records_for_others=records_for_others, caller=caller,
    )[1]  # fmt: skip


def add_key(
    connection: Connection,
    scope: Scope,
    name: str,
    scopes: Iterable[str],
    *,
    now: int,
    expires_at: int | None = None,
    allowed_networks: Iterable[str] = (),
    limit: MandatoryFilter | None = None,
    records_for_others: bool = False,
    caller: Caller = NOWHERE,
) -> tuple[ApiKey, Secret]:
    """Create a key of the scope's organization; returns it and its text, which cannot be read again.

    `expires_at` is in microseconds, `allowed_networks` are CIDRs or addresses, `limit` is what it may read. Raises
    BadRequest for a bad name, scope, time or network, or a filter beside a scope that could lift it; Forbidden
    (`missing_permission`) for a scope that the caller lacks.
    """
    require(scope, "admin")
    allowed = parse_permissions(scopes)
    for permission in sorted(allowed):
        require(scope, permission)
    if expires_at is not None and expires_at <= now:
        raise bad_expiry()
    check_limit(allowed, limit)
    made, token = _insert(
        connection, scope, names.name(name), allowed, parse_networks(allowed_networks),
        now=now, expires_at=expires_at, limit=limit, records_for_others=records_for_others,
    )  # fmt: skip
    record_own(
        connection, scope.org_id, "api_key.created",
        by=scope.principal, caller=caller, now=now, on=key_resource(made), changes=key_settings(made),
    )  # fmt: skip
    return made, token


def revoke_key(connection: Connection, scope: Scope, key_id: UUID, *, now: int, caller: Caller = NOWHERE) -> ApiKey:
    """Revoke a key for good; revoking it again changes nothing. NotFound (`no_key`), also for another organization's.

    Every server refuses it within a second.
    """
    require(scope, "admin")
    key = lock_key(connection, scope, key_id)
    if key.revoked_at is not None:
        return key
    connection.execute(update(api_keys).where(*is_key_row(key)).values(revoked_at=now))
    bump_revision(connection)
    record_own(
        connection, scope.org_id, "api_key.revoked", by=scope.principal, caller=caller, now=now, on=key_resource(key)
    )
    return replace(key, revoked_at=now)


def rotate_key(
    connection: Connection, scope: Scope, key_id: UUID, overlap: int, *, now: int, caller: Caller = NOWHERE
) -> tuple[ApiKey, Secret]:
    """Make a key that takes the place of another one, as it is but for its text; returns it and its text.

    The other one can be used for `overlap` more microseconds, at most 30 days, and never longer than before. The new
    one lives as long as the other one was to live, from now on. Raises NotFound (`no_key`); Conflict
    (`key_not_active`) for one that is revoked, expired or was rotated already; BadRequest (`bad_overlap`); Forbidden
    (`missing_permission`) for a scope that the caller lacks.
    """
    require(scope, "admin")
    if not 0 <= overlap <= MOST_OVERLAP_US:
        raise BadRequest("The old key can be used for at most 30 more days.", code="bad_overlap", field="overlap_hours")
    key = lock_key(connection, scope, key_id)
    for permission in sorted(key.scopes):
        require(scope, permission)
    if key.state(now) != "active":
        raise Conflict(
            "This API key was revoked, has expired, or was rotated already. Create a new one.", code="key_not_active"
        )
    lifetime = None if key.expires_at is None else now + key.expires_at - key.created_at
    made, token = _insert(
        connection, scope, key.name, key.scopes, key.allowed_networks,
        now=now, expires_at=lifetime, limit=key.limit, records_for_others=key.records_for_others,
    )  # fmt: skip
    ends_at = now + overlap if key.expires_at is None else min(now + overlap, key.expires_at)
    connection.execute(update(api_keys).where(*is_key_row(key)).values(expires_at=ends_at, replaced_by=made.key_id))
    bump_revision(connection)
    before = None if key.expires_at is None else rfc3339(key.expires_at)
    changes = {"expires_at": {"before": before, "after": rfc3339(ends_at)}, "replaced_by": made.public_id}
    record_own(
        connection, scope.org_id, "api_key.rotated",
        by=scope.principal, caller=caller, now=now, on=key_resource(key), changes=changes,
    )  # fmt: skip
    return made, token


def show_key(connection: Connection, scope: Scope, key_id: UUID) -> ApiKey:
    """A key of the organization. NotFound (`no_key`)."""
    require(scope, "admin")
    return _find(connection, scope, key_id)


def list_keys(connection: Connection, scope: Scope) -> list[ApiKey]:
    """Every key of the organization, newest first, revoked ones too."""
    require(scope, "admin")
    rows = connection.execute(
        select(api_keys)
        .where(api_keys.c.org_id == scope.org_id)
        .order_by(api_keys.c.created_at.desc(), api_keys.c.key_id.desc())
    )
    return [read_key(row) for row in rows]


def parse_key_id(text: str) -> UUID:
    """The id of a key as the API and the pages write it; NotFound (`no_key`) for another text."""
    try:
        return ids.parse_uuid("key", text)
    except ValueError:
        raise _no_key() from None


def is_well_formed(token: str) -> bool:
    """Whether the text has the form and check digits of a key. Other texts need no look-up."""
    return is_key_text(token)


def find_by_token(connection: Connection, token: str) -> ApiKey | None:
    """The key of a token, whatever its organization and state: for authentication only."""
    row = connection.execute(select(api_keys).where(api_keys.c.token_sha256 == token_digest(token))).first()
    return None if row is None else read_key(row)


def key_resource(key: ApiKey) -> dict[str, str]:
    """The key as the resource of an audit event."""
    return resource("api_key", key.key_id, "key", key.name)


def scope_of_key(key: ApiKey) -> Scope:
    """What a key may do, unless it has ended."""
    return api_key_scope(
        key.org_id, key.key_id, key.name, key.scopes, key.limit, records_for_others=key.records_for_others
    )


def read_key(row: Row[Any]) -> ApiKey:
    """A row of api_keys as an ApiKey, without the hash."""
    return ApiKey(
        row.org_id, row.key_id, row.name, stored_permissions(row.scopes.split()), row.last4,
        tuple(map(parse_network, row.allowed_networks.split())),
        row.created_by, row.created_at, row.expires_at, row.last_used_at, row.last_used_address, row.revoked_at,
        row.replaced_by, read_filter(row.filter, row.filter_condition), row.records_for_others,
    )  # fmt: skip


def _insert(
    connection: Connection,
    scope: Scope,
    name: str,
    allowed: frozenset[Permission],
    networks: tuple[Network, ...],
    *,
    now: int,
    expires_at: int | None,
    limit: MandatoryFilter | None,
    records_for_others: bool,
) -> tuple[ApiKey, Secret]:
    token = _new_token()
    made = ApiKey(
        scope.org_id, ids.new_uuid(now), name, allowed, token[-4:], networks,
        _maker(scope.principal), now, expires_at, None, "", None, None, limit, records_for_others,
    )  # fmt: skip
    connection.execute(
        insert(api_keys).values(
            org_id=made.org_id, key_id=made.key_id, name=made.name, scopes=" ".join(sorted(allowed)),
            token_sha256=token_digest(token), last4=made.last4, allowed_networks=" ".join(map(str, networks)),
            created_by=made.created_by, created_at=now, expires_at=expires_at,
            records_for_others=records_for_others, **filter_values(limit),
        )
    )  # fmt: skip
    return made, token


def is_key_row(key: ApiKey) -> tuple[Any, Any]:
    return api_keys.c.org_id == key.org_id, api_keys.c.key_id == key.key_id


def check_limit(allowed: frozenset[Permission], limit: MandatoryFilter | None) -> None:
    """BadRequest (`bad_scope`) for a filter beside a scope that reads past it, or could lift it."""
    wider = sorted(allowed - FILTERED_PERMISSIONS)
    if limit is not None and wider:
        raise BadRequest(
            f"A key with a filter cannot have {wider[0]}, which reaches beyond it. It can have "
            f"{', '.join(sorted(FILTERED_PERMISSIONS))}.",
            code="bad_scope",
            field="scopes",
        )


def key_settings(key: ApiKey) -> dict[str, Any]:
    """What can be chosen of a key but its name, as it stands in events."""
    settings: dict[str, Any] = {"scopes": sorted(key.scopes)}
    if key.expires_at is not None:
        settings["expires_at"] = rfc3339(key.expires_at)
    if key.allowed_networks:
        settings["allowed_networks"] = [str(network) for network in key.allowed_networks]
    if key.limit is not None:
        settings["filter"] = key.limit.text
    if key.records_for_others:
        settings["records_for_others"] = True
    return settings


def bad_expiry() -> BadRequest:
    """The expiry time is in the past."""
    return BadRequest("The expiry time is in the past. Give a later time.", code="bad_expiry", field="expires_at")


def _find(connection: Connection, scope: Scope, key_id: UUID, *, lock: bool = False) -> ApiKey:
    found = select(api_keys).where(api_keys.c.org_id == scope.org_id, api_keys.c.key_id == key_id)
    row = connection.execute(found.with_for_update() if lock else found).first()
    if row is None:
        raise _no_key()
    return read_key(row)


def lock_key(connection: Connection, scope: Scope, key_id: UUID) -> ApiKey:
    """The key, after this transaction locked it against other changes."""
    return _find(connection, scope, key_id, lock=True)


def _maker(principal: Principal) -> str:
    """A key is named by its id: its name could equal that of a person, or of the operator."""
    return principal.id if principal.kind == "api_key" else principal.label


def _new_token() -> Secret:
    random = "".join(secrets.choice(ALPHABET) for _ in range(30))
    return Secret(f"{PREFIX}{random}{check_digits(random)}")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    networks = []
    for text in texts:
        try:
            networks.append(parse_network(text.strip()))
        except ValueError:
            raise BadRequest(
                f"Invalid address or network {text!r}. Write 192.0.2.7 or 192.0.2.0/24.",
                code="bad_network",
                field="allowed_networks",
            ) from None
    if len(networks) > MOST_NETWORKS:
        raise BadRequest(
            f"A key can have at most {MOST_NETWORKS} networks. Combine some into larger ones.",
            code="bad_network",
            field="allowed_networks",
        )
    return tuple(networks)


def _no_key() -> NotFound:
    return NotFound("API key not found in this organization.", code="no_key")
