"""What people see and ask of the check: how it stands, and a round now."""

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, resource, tell
from tallystick.access.scopes import require, require_whole_trail
from tallystick.integrity import rounds
from tallystick.integrity.rounds import Round
from tallystick.integrity.tables import public_logs
from tallystick.ledger.signer import Checkpoint, last_checkpoint
from tallystick.ledger.tables import logs, signing_keys
from tallystick.query.scope import Principal, Scope


class Overview(NamedTuple):
    """One log and what is known of its integrity; times in microseconds.

    `origin` is None until the first checkpoint is signed. `public_since` is None unless everybody may read the log.
    """

    origin: str | None
    origin_id: str
    size: int
    frozen_reason: str | None
    pruned: int
    checkpoint: Checkpoint | None
    signed_since: int | None
    running: Round | None
    last: Round | None
    wanted: Principal | None
    public_since: int | None


def overview(connection: Connection, scope: Scope) -> Overview:
    """For whoever sees the whole trail; Forbidden (`whole_trail_only`)."""
    require_whole_trail(scope)
    log = connection.execute(select(logs).where(logs.c.org_id == scope.org_id)).one()
    since = select(func.min(signing_keys.c.made_at)).where(signing_keys.c.org_id == scope.org_id)
    public = select(public_logs.c.since).where(public_logs.c.org_id == scope.org_id)
    known = rounds.standing(connection, scope.org_id)
    return Overview(
        log.origin,
        log.origin_id,
        log.size,
        log.frozen_reason,
        log.pruned,
        last_checkpoint(connection, scope.org_id),
        connection.execute(since).scalar(),
        known.running,
        known.last,
        known.wanted,
        connection.execute(public).scalar(),
    )


def ask_for_check(connection: Connection, scope: Scope, *, now: int, caller: Caller = NOWHERE) -> None:
    """Let a round begin now; asked again before it ended, nothing more happens."""
    require(scope, "admin")
    organizations.hold_row(connection, scope.org_id)
    if not rounds.ask(connection, scope.org_id, scope.principal):
        return
    organization = organizations.of_scope(connection, scope)
    on = resource("organization", organization.org_id, "org", organization.name)
    tell(
        connection, scope.org_id, "audit_log.integrity_check_requested", by=scope.principal, caller=caller, on=on,
        now=now,
    )  # fmt: skip
