"""The state of an organization's retention: what expires soon, what is held, what was deleted."""

from dataclasses import dataclass

from sqlalchemy import select

from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import require, require_whole_trail
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.intake_rules.rule_list import expiry_classes, keep_classes
from tallystick.ledger.tables import logs
from tallystick.query.scope import Scope
from tallystick.retention import exported_ranges, holds
from tallystick.retention.grace import settled_at
from tallystick.retention.tables import purges
from tallystick.store.events import EventStore
from tallystick.store.expiry import ExpiryCount, count_expiring

WITHIN_DAYS = 7
BUDGET_SECONDS = 0.75


@dataclass(frozen=True, slots=True)
class Forecast:
    """An organization's retention; times in µs since 1970."""

    plan: organizations.Plan
    days: int
    kept_days: int  # the days that the purge uses: the longer of two while a change is younger than a day
    longer_until: int | None  # the end of that day
    keeps_from: int
    waiting: ExpiryCount  # stored events that had expired when they were recorded, and wait for a purge
    expiring: ExpiryCount  # stored events that expire within WITHIN_DAYS; `outside`: of them, those never exported
    pruned: int
    active_holds: int
    last_purge_at: int | None
    next_purge_at: int | None


def forecast(database: Database, store: EventStore, scope: Scope, *, now: int | None = None) -> Forecast:
    """The state of the retention, for readers of the whole trail; reveals no event. Blocks."""
    require_whole_trail(scope)
    require(scope, "events:read")
    now = clock.now_us() if now is None else now
    with database.read() as connection:
        organization = organizations.of_scope(connection, scope)
        kept = organizations.effective_retention_days(connection, scope.org_id, now)
        longer_until = organizations.previous_retention_until(connection, scope.org_id, now)
        held = holds.active(connection, scope)
        left = exported_ranges.read_ranges(connection, scope)
        kept_rules = keep_classes(connection, scope.org_id, now)
        pruned = connection.execute(select(logs.c.pruned).where(logs.c.org_id == scope.org_id)).scalar_one()
        settled = settled_at(connection, scope.org_id, now)
        run = connection.execute(select(purges).where(purges.c.org_id == scope.org_id)).first()
    days, soon = organization.retention_days, now + WITHIN_DAYS * DAY_US
    expiring = count_expiring(
        store,
        scope,
        soon - days * DAY_US,
        only=holds.unheld_condition(held),
        classes=expiry_classes(kept_rules, soon, days),
        ranges=left,
        seconds=BUDGET_SECONDS,
    )
    waiting = count_expiring(
        store,
        scope,
        now - kept * DAY_US,
        only=holds.unheld_condition(held),
        classes=expiry_classes(kept_rules, now, kept),
        unsettled_since=settled,
        seconds=BUDGET_SECONDS,
    )
    return Forecast(
        organization.plan,
        days,
        kept,
        longer_until,
        now - kept * DAY_US,
        waiting,
        expiring,
        pruned,
        len(held),
        run.last_run_at if run else None,
        run.next_run_at if run else None,
    )
