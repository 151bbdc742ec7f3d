"""When the events of an organization expire, for those that are recorded late."""

from uuid import UUID

from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US
from tallystick.events.record import Record
from tallystick.ingest.late_events import Cutoffs
from tallystick.intake_rules.rule_list import keep_classes
from tallystick.query.conditions import Query
from tallystick.retention import holds
from tallystick.search.match import compile_match


def read_cutoffs(connection: Connection, org_id: UUID, now: int) -> Cutoffs:
    """By the retention, the intake rules that keep events for a shorter time, and the legal holds."""
    days = organizations.retention_days(connection, org_id)
    classes = [
        (compile_match(Query(one.condition)), one.cutoff(now, days)) for one in keep_classes(connection, org_id, now)
    ]
    held = holds.active(connection, operator_scope(org_id))
    if not held:
        return Cutoffs(now - days * DAY_US, classes)
    is_free = compile_match(Query(holds.unheld_condition(held)))

    def is_held(record: Record) -> bool:
        return not is_free(record)

    return Cutoffs(now - days * DAY_US, classes, is_held)
