"""What a report cannot show, which it says first: what is past its retention, erased, set aside, or yet to come."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import Connection, select

from tallystick.access import organizations
from tallystick.clock import DAY_US, second_words, to_us
from tallystick.compliance.evidence import Evidence
from tallystick.events.output import event_of
from tallystick.ledger.tables import logs
from tallystick.query.conditions import Query, exactly
from tallystick.query.scope import TALLYSTICK
from tallystick.render.compliance_report import Gap
from tallystick.retention import holds
from tallystick.search.match import compile_match
from tallystick.store import grouping

MOST_RECORDS = 20
PRUNED = "action:audit_log.pruned"


@dataclass(frozen=True, slots=True)
class LogStatus:
    """What the control database says of an organization's trail; times in microseconds."""

    log_began_at: int
    pruned: int
    frozen_reason: str
    kept_days: int
    active_holds: int


def read_log_status(connection: Connection, evidence: Evidence, now: int) -> LogStatus:
    """As it is when the report is made."""
    scope = evidence.scope
    row = connection.execute(select(logs).where(logs.c.org_id == scope.org_id)).one()
    return LogStatus(
        row.created_at,
        row.pruned,
        row.frozen_reason or "",
        organizations.effective_retention_days(connection, scope.org_id, now),
        len(holds.active(connection, scope)),
    )


def find_gaps(evidence: Evidence, found: LogStatus, zone: tzinfo, now: int) -> Iterator[Gap]:
    """Each thing that is missing or may be, the most important first."""
    query = evidence.query()
    start, end = query.start or 0, query.end or now
    yield from _past_retention(evidence, found, start, zone, now)
    if end > evidence.asked_at:
        yield Gap("future", f"The period ends at {second_words(end, zone)}. The report was requested before that, at "
                  f"{second_words(evidence.asked_at, zone)}, and does not cover the time after it.")  # fmt: skip
    yield from _erased(evidence, query)
    yield from _aside(evidence, query)
    if start < found.log_began_at:
        yield Gap("before_log", f"The log of this organization began at {second_words(found.log_began_at, zone)}. "
                  "Earlier activity was either imported later or is not in the log.")  # fmt: skip
    yield from _late(evidence, query)
    if found.frozen_reason:
        yield Gap("frozen", f"The log is frozen and records nothing: {found.frozen_reason}")


def _past_retention(evidence: Evidence, found: LogStatus, start: int, zone: tzinfo, now: int) -> Iterator[Gap]:
    keeps_from = now - found.kept_days * DAY_US
    if start < keeps_from:
        held = ", except those under a legal hold" if found.active_holds else ""
        yield Gap("retention", f"Events are kept for {found.kept_days:,} days. The part of the period "
                  f"before {second_words(keeps_from, zone)} is older, "
                  f"so its events may have been deleted{held}.")  # fmt: skip
    before = _pruned_before(evidence)
    if found.pruned and before > start:
        yield Gap(
            "pruned",
            f"Events from before {second_words(before, zone)} were deleted when their retention ended, "
            f"{found.pruned:,} in total since the log began. Records in the log name each by its index; how many were "
            "in this period can no longer be determined.",
            PRUNED,
        )


def _pruned_before(evidence: Evidence) -> int:
    """Before when everything happened that was deleted, as far as the last records say."""
    records = grouping.newest_events(
        evidence.store, evidence.scope, Query(exactly("action", "audit_log.pruned")), evidence.position, MOST_RECORDS
    )
    found = 0
    for record in records:
        event = event_of(record)
        by = event["recorded_by"]
        # A sender may give an event of its own this name.
        if (by.get("type"), by.get("id")) == (TALLYSTICK.kind, TALLYSTICK.id):
            found = max(found, _parse_time(str(event.get("metadata", {}).get("before", ""))))
    return found


def _erased(evidence: Evidence, query: Query) -> Iterator[Gap]:
    by = (grouping.PARTLY_ERASED, grouping.WHOLLY_UNTOLD)
    rows = grouping.count_groups(evidence.store, evidence.scope, query, evidence.position, by)
    counts = {row[:-1]: row[-1] for row in rows}
    untold = counts.get((1, 1), 0)
    partly = untold + counts.get((1, 0), 0)
    if partly:
        words = f"; {untold:,} of them no longer say what happened and are not counted in any answer" if untold else ""
        verb = "event of the period has" if partly == 1 else "events of the period have"
        yield Gap("erased", f"{partly:,} {verb} parts erased because personal data was removed{words}.",
                  "action:audit_log.subject_erased")  # fmt: skip


def _aside(evidence: Evidence, query: Query) -> Iterator[Gap]:
    matches = compile_match(query)
    number = sum(1 for index, record in evidence.aside if index < evidence.position and matches(record))
    if number:
        verb = "event was" if number == 1 else "events were"
        yield Gap("set_aside", f"{number:,} {verb} set aside because the event store did not accept "
                  "them. They are counted here and are in the log.")  # fmt: skip


def _late(evidence: Evidence, query: Query) -> Iterator[Gap]:
    counts = dict(grouping.count_groups(evidence.store, evidence.scope, query, evidence.position, (grouping.LATE,)))
    if late := counts.get(1, 0):
        verb = "event was" if late == 1 else "events were"
        yield Gap("late", f"{late:,} {verb} recorded more than a day after they happened, as in an import. For these "
                  "the log proves when they were recorded; the event time is as stated by the sender.")  # fmt: skip


def _parse_time(text: str) -> int:
    try:
        return to_us(datetime.fromisoformat(text))
    except ValueError:
        return 0
