"""The integrity page's data: the state of a log and its check, and the request for a check."""

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import require, require_whole_trail
from tallystick.integrity import rounds
from tallystick.integrity.rounds import Round
from tallystick.integrity.tables import public_logs
from tallystick.journal.lost_events import count_lost
from tallystick.ledger.signer import Checkpoint, last_checkpoint
from tallystick.ledger.tables import logs, signing_keys
from tallystick.query.scope import Principal, Scope


class Overview(NamedTuple):
    """A log and the state of its integrity check; times in µs since 1970.

    `origin` is None until the first checkpoint is signed. `public_since` is None unless the log is public. `pruned` and
    `lost` are the numbers of events that expired, and that the server has lost for good.
    """

    origin: str | None
    origin_id: str
    size: int
    frozen_reason: str | None
    pruned: int
    lost: int
    checkpoint: Checkpoint | None
    signed_since: int | None
    running: Round | None
    last: Round | None
    wanted: Principal | None
    public_since: int | None


def overview(connection: Connection, scope: Scope) -> Overview:
    """The state of the scope's log; Forbidden (`whole_trail_only`) for a reader who does not see the whole trail."""
    require_whole_trail(scope)
    log = connection.execute(select(logs).where(logs.c.org_id == scope.org_id)).one()
    since = select(func.min(signing_keys.c.made_at)).where(signing_keys.c.org_id == scope.org_id)
    public = select(public_logs.c.since).where(public_logs.c.org_id == scope.org_id)
    known = rounds.round_state(connection, scope.org_id)
    return Overview(
        log.origin,
        log.origin_id,
        log.size,
        log.frozen_reason,
        log.pruned,
        count_lost(connection).get(scope.org_id, 0),
        last_checkpoint(connection, scope.org_id),
        connection.execute(since).scalar(),
        known.running,
        known.last,
        known.wanted,
        connection.execute(public).scalar(),
    )


def request_check(connection: Connection, scope: Scope, *, now: int, caller: Caller = NOWHERE) -> None:
    """Request a check and record that in the trail; does nothing while a requested check has not finished."""
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    if not rounds.request_round(connection, scope.org_id, scope.principal):
        return
    organization = organizations.of_scope(connection, scope)
    on = resource("organization", organization.org_id, "org", organization.name)
    record_own(
        connection,
        scope.org_id,
        "audit_log.integrity_check_requested",
        by=scope.principal,
        caller=caller,
        on=on,
        now=now,
    )
