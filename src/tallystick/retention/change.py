"""Changing how long events are kept: said beforehand, done, and in force a day later."""

from dataclasses import dataclass

from tallystick.access import organizations
from tallystick.access.organizations import Organization, Plan
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.query.scope import Scope
from tallystick.retention import exported, holds
from tallystick.store.events import EventStore
from tallystick.store.expiry import Tally, tally

SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do. Times in microseconds.

    `deletes` are the events here now that go because of it, some of them never exported (`outside`); held ones
    stay. Nothing goes before `effective_at`; `keeps_from` is the time from which on events are kept then.
    """

    before: Organization
    plan: Plan
    days: int
    deletes: Tally
    effective_at: int
    keeps_from: int

    @property
    def changes(self) -> bool:
        return (self.before.plan, self.before.retention_days) != (self.plan, self.days)


def preview(
    database: Database, store: EventStore, scope: Scope, days: int | None, plan: str | None, *, now: int
) -> Preview:
    """Look before it is done; the same refusals as `organizations.set_retention`, which does it. Blocks."""
    with database.read() as connection:
        new_plan, new_days = organizations.resolve_retention(connection, scope, days, plan)
        before = organizations.of_scope(connection, scope)
        kept = organizations.effective_retention_days(connection, scope.org_id, now)
        held = holds.active(connection, scope)
        left = exported.known(connection, scope)
    # A longer retention counts at once, a shorter one a day later.
    effective = now + DAY_US if new_days < kept else now
    keeps_from = effective - new_days * DAY_US
    deletes = Tally(complete=True)
    if new_days < kept:
        deletes = tally(
            store, scope, keeps_from,
            since=effective - kept * DAY_US, only=holds.not_held(held), ranges=left, seconds=SECONDS,
        )  # fmt: skip
    return Preview(before, new_plan, new_days, deletes, effective, keeps_from)
