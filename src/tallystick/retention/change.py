"""The preview of a change of the retention: what it would delete, and from when on."""

from dataclasses import dataclass

from tallystick.access import organizations
from tallystick.access.organizations import Organization, Plan
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.query.scope import Scope
from tallystick.retention import exported_ranges, holds
from tallystick.store.events import EventStore
from tallystick.store.expiry import ExpiryCount, count_expiring

BUDGET_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class RetentionPreview:
    """The effects of a change. Times in µs since 1970.

    `deletes` counts the stored events that it deletes, and of them those never exported (`outside`), without events
    under a hold. Nothing is deleted before `effective_at`; events since `keeps_from` are kept then.
    """

    before: Organization
    plan: Plan
    days: int
    deletes: ExpiryCount
    effective_at: int
    keeps_from: int

    @property
    def changes(self) -> bool:
        return (self.before.plan, self.before.retention_days) != (self.plan, self.days)

    @property
    def shortens(self) -> bool:
        """Whether the plan is smaller or the retention shorter than before, which only people decide."""
        return self.before.is_longer_than(self.plan, self.days)


def preview_change(
    database: Database, store: EventStore, scope: Scope, days: int | None, plan: str | None, *, now: int
) -> RetentionPreview:
    """Preview a change. Blocks; raises what `organizations.set_retention` raises, which makes the change."""
    with database.read() as connection:
        new_plan, new_days = organizations.resolve_retention(connection, scope, days, plan)
        before = organizations.of_scope(connection, scope)
        kept = organizations.effective_retention_days(connection, scope.org_id, now)
        held = holds.active(connection, scope)
        left = exported_ranges.read_ranges(connection, scope)
    # A longer retention takes effect at once, a shorter one a day later.
    effective = now + DAY_US if new_days < kept else now
    keeps_from = effective - new_days * DAY_US
    deletes = ExpiryCount(complete=True)
    if new_days < kept:
        deletes = count_expiring(
            store,
            scope,
            keeps_from,
            since=effective - kept * DAY_US,
            only=holds.unheld_condition(held),
            ranges=left,
            seconds=BUDGET_SECONDS,
        )
    return RetentionPreview(before, new_plan, new_days, deletes, effective, keeps_from)
