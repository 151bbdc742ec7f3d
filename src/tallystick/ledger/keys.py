"""Signing keys of a log's checkpoints: created on first use, encrypted at rest, rotated with an overlap of 30 days."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import require_ownership
from tallystick.access.secret import DecryptionFailed, SecretBox
from tallystick.clock import DAY_US, rfc3339
from tallystick.errors import Conflict, Unavailable
from tallystick.ledger import log as ledger_log
from tallystick.ledger.log import Log, read
from tallystick.ledger.notes import vkey
from tallystick.ledger.tables import checkpoints, logs, signing_keys
from tallystick.query.scope import Scope
from tallystick.secret_keys import SecretKeys

OVERLAP_DAYS = 30
_SIGNING = (
    select(signing_keys.c.public, signing_keys.c.sealed, signing_keys.c.signs_until, logs.c.origin)
    .join(logs, logs.c.org_id == signing_keys.c.org_id)
    .where(signing_keys.c.org_id == bindparam("org"))
    .where(or_(signing_keys.c.signs_until.is_(None), signing_keys.c.signs_until > bindparam("now")))
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs now; `signs_until` in µs since 1970, None for the current key. The `repr` shows no secret."""

    name: str
    public: bytes
    private: Ed25519PrivateKey = field(repr=False)
    signs_until: int | None = None

    @property
    def vkey(self) -> str:
        return vkey(self.name, self.public)


class Keyring:
    """Encrypts and decrypts signing keys with the server's secret; keeps no key in memory."""

    def __init__(self, keys: SecretKeys, host: str) -> None:
        self._host = host
        self._seal = SecretBox(keys, signing_keys.c.sealed)

    def active_keys(self, connection: Connection, org_id: UUID, *, now: int) -> Sequence[SigningKey]:
        """The keys that sign at `now`, the current one first; empty until `prepare` creates the first."""
        rows = connection.execute(_SIGNING, {"org": org_id, "now": now}).all()
        found = [
            SigningKey(row.origin, row.public, self._open(org_id, row.public, row.sealed), row.signs_until)
            for row in rows
        ]
        return sorted(found, key=lambda key: (key.signs_until is not None, -(key.signs_until or 0)))

    def prepare(self, connection: Connection, org_id: UUID, *, now: int) -> None:
        """Create the log's origin and first key unless they exist. Locks the log's row, so only one caller does it."""
        log = ledger_log.lock(connection, org_id)
        mine = logs.c.org_id == org_id
        named = update(logs).where(mine, logs.c.origin.is_(None))
        connection.execute(named.values(origin=f"{self._host}/log/{log.origin_id}"))
        if not self.active_keys(connection, org_id, now=now):
            self._make(connection, org_id, now=now)

    def rotate(self, connection: Connection, scope: Scope, *, now: int, caller: Caller = NOWHERE) -> SigningKey:
        """Create a new signing key; the previous one signs beside it for 30 more days.

        For an owner or the operator, otherwise Forbidden. Records `audit_log.signing_key_rotated`.
        """
        require_ownership(scope)
        self.prepare(connection, scope.org_id, now=now)
        before = self.active_keys(connection, scope.org_id, now=now)[0]
        until = now + OVERLAP_DAYS * DAY_US
        mine = signing_keys.c.org_id == scope.org_id
        old = update(signing_keys).where(mine, signing_keys.c.signs_until.is_(None))
        connection.execute(old.values(signs_until=until))
        self._make(connection, scope.org_id, now=now)
        made = self.active_keys(connection, scope.org_id, now=now)[0]
        _record_rotation(
            connection, scope, before.vkey, made.vkey, {"both_sign_until": rfc3339(until)}, caller=caller, now=now
        )
        return made

    def replace_lost(self, connection: Connection, scope: Scope, *, now: int, caller: Caller = NOWHERE) -> SigningKey:
        """Create a new signing key in place of one that cannot be decrypted any more, and signs nothing again.

        For an owner or the operator, otherwise Forbidden; Conflict if no key is lost. Records
        `audit_log.signing_key_rotated` with the size up to which the lost key has signed the log.
        """
        require_ownership(scope)
        ledger_log.lock(connection, scope.org_id)
        rows = connection.execute(_SIGNING, {"org": scope.org_id, "now": now}).all()
        lost = [row for row in rows if not self._can_open(scope.org_id, row.public, row.sealed)]
        if not lost:
            raise Conflict(
                "The key that signs this log can be decrypted. Rotate it without --lost-key: the previous key then "
                "signs for another 30 days, and whoever verifies the log has time to take over the new one."
            )
        mine = (signing_keys.c.org_id == scope.org_id) & signing_keys.c.public.in_([row.public for row in lost])
        connection.execute(update(signing_keys).where(mine).values(signs_until=now))
        if any(row.signs_until is None for row in lost):
            self._make(connection, scope.org_id, now=now)
        made = self.active_keys(connection, scope.org_id, now=now)[0]
        signed = connection.execute(select(func.max(checkpoints.c.size)).where(checkpoints.c.org_id == scope.org_id))
        gap = {"previous_key_lost": True, "signed_through": signed.scalar() or 0}
        _record_rotation(
            connection, scope, vkey(lost[0].origin, lost[0].public), made.vkey, gap, caller=caller, now=now
        )
        return made

    def _can_open(self, org_id: UUID, public: bytes, sealed: bytes) -> bool:
        try:
            self._seal.open(sealed, org_id, public)
        except DecryptionFailed:
            return False
        return True

    def _make(self, connection: Connection, org_id: UUID, *, now: int) -> None:
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        sealed = self._seal.seal(private.private_bytes_raw(), org_id, public)
        connection.execute(insert(signing_keys).values(org_id=org_id, public=public, sealed=sealed, made_at=now))

    def _open(self, org_id: UUID, public: bytes, sealed: bytes) -> Ed25519PrivateKey:
        try:
            raw = self._seal.open(sealed, org_id, public)
        except DecryptionFailed:
            raise Unavailable(
                "The key that signs this log cannot be decrypted. The operator must start the server with the "
                "TALLYSTICK_SECRET_KEY that it had when the key was created. If that is lost for good: tallystick org "
                "rotate-signing-key SLUG --lost-key",
                code="signing_key_sealed",
                retry_after=60,
            ) from None
        return Ed25519PrivateKey.from_private_bytes(raw)


def _record_rotation(
    connection: Connection,
    scope: Scope,
    before: str,
    after: str,
    metadata: Mapping[str, object],
    *,
    caller: Caller,
    now: int,
) -> None:
    organization = organizations.of_scope(connection, scope)
    record_own(
        connection,
        scope.org_id,
        "audit_log.signing_key_rotated",
        by=scope.principal,
        caller=caller,
        now=now,
        on=resource("organization", organization.org_id, "org", organization.name),
        changes={"key": {"before": before, "after": after}},
        metadata=dict(metadata),
    )


def rename_log(connection: Connection, log: Log, host: str) -> Log:
    """Give the log a new origin and unfreeze it; tree, indexes and keys stay.

    Checkpoints signed under the old origin are no longer served. Their sizes and roots stay, so that later checks
    still compare the tree with them.
    """
    origin_id = secrets.token_hex(16)
    values = {"origin_id": origin_id, "origin": f"{host}/log/{origin_id}", "frozen_reason": None}
    connection.execute(update(logs).where(logs.c.org_id == log.org_id, logs.c.size == log.size).values(values))
    connection.execute(update(checkpoints).where(checkpoints.c.org_id == log.org_id).values(note=None))
    return read(connection, log.org_id)
