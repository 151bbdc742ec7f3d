"""API keys: `tsk_` + 30 random base-62 characters + 6 of their CRC32. Shown once; only the SHA-256 is stored."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from tallystick import ids
from tallystick.access import names
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import parse_permissions, require, stored_permissions
from tallystick.access.secret import Secret, token_digest
from tallystick.access.tables import api_keys
from tallystick.clock import rfc3339
from tallystick.errors import BadRequest, NotFound
from tallystick.events.key_text import ALPHABET, PREFIX, check_digits, is_key_text
from tallystick.query.scope import Permission, Principal, Scope
from tallystick.setting_values import Network, parse_network

MOST_NETWORKS = 50


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
    revoked_at: int | None

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
    caller: Caller = NOWHERE,
) -> Secret:
    """Create a key of the scope's organization and return its text, which cannot be read again.

    `expires_at` is in microseconds, `allowed_networks` are CIDRs or addresses. Raises BadRequest for a bad name, scope,
    time or network; Forbidden (`missing_permission`) for a scope that the caller lacks.
    """
    require(scope, "admin")
    allowed = parse_permissions(scopes)
    for permission in sorted(allowed):
        require(scope, permission)
    if expires_at is not None and expires_at <= now:
        raise BadRequest("The expiry time is in the past. Give a later time.", code="bad_expiry", field="expires_at")
    networks = _networks(allowed_networks)
    token = _new_token()
    made = ApiKey(
        scope.org_id, ids.new_uuid(now), names.name(name), allowed, token[-4:], networks,
        _maker(scope.principal), now, expires_at, None, None,
    )  # fmt: skip
    connection.execute(
        insert(api_keys).values(
            org_id=made.org_id, key_id=made.key_id, name=made.name, scopes=" ".join(sorted(allowed)),
            token_sha256=token_digest(token), last4=made.last4, allowed_networks=" ".join(map(str, networks)),
            created_by=made.created_by, created_at=now, expires_at=expires_at,
        )
    )  # fmt: skip
    changes: dict[str, Any] = {"scopes": sorted(allowed)}
    if expires_at is not None:
        changes["expires_at"] = rfc3339(expires_at)
    if networks:
        changes["allowed_networks"] = [str(network) for network in networks]
    record_own(
        connection, scope.org_id, "api_key.created",
        by=scope.principal, caller=caller, now=now, on=key_resource(made), changes=changes,
    )  # fmt: skip
    return token


def revoke_key(connection: Connection, scope: Scope, key_id: UUID, *, now: int, caller: Caller = NOWHERE) -> None:
    """Revoke a key for good; revoking it again changes nothing. NotFound (`no_key`), also for another organization's.

    Servers that cached the key within the last five seconds forget it then, or at `Authenticator.forget_key`.
    """
    require(scope, "admin")
    mine = (api_keys.c.org_id == scope.org_id) & (api_keys.c.key_id == key_id)
    row = connection.execute(select(api_keys).where(mine)).first()
    if row is None:
        raise NotFound("API key not found in this organization.", code="no_key")
    revoked = connection.execute(update(api_keys).where(mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
    if revoked.rowcount:
        record_own(
            connection, scope.org_id, "api_key.revoked",
            by=scope.principal, caller=caller, now=now, on=key_resource(read_key(row)),
        )  # fmt: skip


def list_keys(connection: Connection, scope: Scope) -> list[ApiKey]:
    """Every key of the organization, newest first, revoked ones too."""
    require(scope, "admin")
    rows = connection.execute(
        select(api_keys)
        .where(api_keys.c.org_id == scope.org_id)
        .order_by(api_keys.c.created_at.desc(), api_keys.c.key_id.desc())
    )
    return [read_key(row) for row in rows]


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


def read_key(row: Row[Any]) -> ApiKey:
    """A row of api_keys as an ApiKey, without the hash."""
    return ApiKey(
        row.org_id, row.key_id, row.name, stored_permissions(row.scopes.split()), row.last4,
        tuple(map(parse_network, row.allowed_networks.split())),
        row.created_by, row.created_at, row.expires_at, row.last_used_at, row.revoked_at,
    )  # fmt: skip


def _maker(principal: Principal) -> str:
    """A key is named by its id: its name could equal that of a person, or of the operator."""
    return principal.id if principal.kind == "api_key" else principal.label


def _new_token() -> Secret:
    random = "".join(secrets.choice(ALPHABET) for _ in range(30))
    return Secret(f"{PREFIX}{random}{check_digits(random)}")


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
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
