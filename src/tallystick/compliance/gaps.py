"""Finds the gaps of a report, which it lists first: events expired, erased, set aside, late, or not yet recorded."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import Connection, select

from tallystick.access import organizations
from tallystick.clock import DAY_US, second_words, to_us
from tallystick.compliance.evidence import Evidence
from tallystick.events.output import event_of
from tallystick.ingest.dropped_events import ACTION as DROPPED
from tallystick.intake_rules.rule_list import read_rule_list
from tallystick.journal.lost_events import count_lost
from tallystick.journal.missing_ranges import count_missing
from tallystick.ledger.tables import logs
from tallystick.query.conditions import And, Query, RecordedByTallystick, exactly
from tallystick.render.compliance_report import Gap
from tallystick.retention import holds
from tallystick.search.match import compile_match
from tallystick.store import grouping

MOST_RECORDS = 20
PRUNED = "action:audit_log.pruned"


@dataclass(frozen=True, slots=True)
class LogStatus:
    """The state of an organization's log and retention in the control database. Times in microseconds.

    `pruned` counts the events that the purge deleted since the log began; `frozen_reason` is empty unless frozen.
    `missing` counts the events that the event store lacks, `lost` those that are lost for good. `intake_rules` counts
    the rules in force, which drop events or keep them for a shorter time.
    """

    log_began_at: int
    pruned: int
    frozen_reason: str
    kept_days: int
    active_holds: int
    missing: int
    lost: int
    intake_rules: int


def read_log_status(connection: Connection, evidence: Evidence, now: int) -> LogStatus:
    """Reads the status that the log has now, when the report is built."""
    scope = evidence.scope
    row = connection.execute(select(logs).where(logs.c.org_id == scope.org_id)).one()
    return LogStatus(
        row.created_at,
        row.pruned,
        row.frozen_reason or "",
        organizations.effective_retention_days(connection, scope.org_id, now),
        len(holds.active(connection, scope)),
        count_missing(connection).get(scope.org_id, 0),
        count_lost(connection).get(scope.org_id, 0),
        len(read_rule_list(connection, scope.org_id, now).in_force),
    )


def find_gaps(evidence: Evidence, status: LogStatus, zone: tzinfo, now: int) -> Iterator[Gap]:
    """Yields each thing that is missing from the report or may be, the most important first."""
    query = evidence.query()
    start, end = query.start or 0, query.end or now
    yield from _expired(evidence, status, start, zone, now)
    yield from _dropped(evidence, status, query)
    if end > evidence.asked_at:
        yield Gap(
            "future",
            f"The period ends at {second_words(end, zone)}. The report was requested before that, at "
            f"{second_words(evidence.asked_at, zone)}, and does not cover the time after it.",
        )
    if status.missing:
        yield Gap(
            "missing",
            f"The event store lacks {status.missing:,} recorded events of this organization, which may belong to the "
            "period: the answers do not count them. The operator of the server can restore them.",
        )
    if status.lost:
        yield Gap(
            "lost",
            f"This server has lost {status.lost:,} recorded events of this organization for good, which may belong to "
            "the period: the answers do not count them. Records in the log name each by its index.",
        )
    yield from _erased(evidence, query)
    yield from _set_aside(evidence, query)
    if start < status.log_began_at:
        yield Gap(
            "before_log",
            f"The log of this organization began at {second_words(status.log_began_at, zone)}. "
            "Earlier activity was either imported later or is not in the log.",
        )
    yield from _late(evidence, query)
    if status.frozen_reason:
        yield Gap("frozen", f"The log is frozen and records nothing: {status.frozen_reason}")


def _expired(evidence: Evidence, status: LogStatus, start: int, zone: tzinfo, now: int) -> Iterator[Gap]:
    """Two gaps at most: what the retention allows to be missing, and what purges did delete.

    An event that is gone leaves its index, not its time: how many of the deleted events lay in the period cannot be
    counted, only whether any can.
    """
    keeps_from = now - status.kept_days * DAY_US
    if start < keeps_from:
        held = ", except those under a legal hold" if status.active_holds else ""
        yield Gap(
            "retention",
            f"Events are kept for {status.kept_days:,} days. The part of the period before "
            f"{second_words(keeps_from, zone)} is older, so its events may have been deleted{held}.",
        )
    before = _pruned_before(evidence)
    if status.pruned and before > start:
        yield Gap(
            "pruned",
            f"Events from before {second_words(before, zone)} were deleted when their retention ended, "
            f"{status.pruned:,} in total since the log began. Records in the log name each by its index; how many were "
            "in this period can no longer be determined.",
            PRUNED,
        )


def _dropped(evidence: Evidence, status: LogStatus, query: Query) -> Iterator[Gap]:
    """A gap if intake rules are in force, or dropped events within the period."""
    dropped = Query(And((exactly("action", DROPPED), RecordedByTallystick())), query.start, query.end)
    if status.intake_rules or grouping.newest_events(evidence.store, evidence.scope, dropped, evidence.position, 1):
        yield Gap(
            "intake_rules",
            "Intake rules of this organization drop some events before they are recorded, or delete them earlier than "
            "others: such events of the period are not counted. Records in the log say how many were dropped each "
            "hour.",
            "action:audit_log.intake_rules_* OR action:audit_log.events_dropped",
        )


def _pruned_before(evidence: Evidence) -> int:
    """Returns the latest time (microseconds) up to which a purge deleted events; 0 if none did.

    Reads the newest MOST_RECORDS records: from purge to purge the time grows, unless the retention was made longer.
    """
    pruned = Query(And((exactly("action", "audit_log.pruned"), RecordedByTallystick())))
    records = grouping.newest_events(evidence.store, evidence.scope, pruned, evidence.position, MOST_RECORDS)
    latest = 0
    for record in records:
        latest = max(latest, _parse_time(str(event_of(record).get("metadata", {}).get("before", ""))))
    return latest


def _erased(evidence: Evidence, query: Query) -> Iterator[Gap]:
    # An event without its action matches no question; one without other parts may still count in some answers.
    by = (grouping.PARTLY_ERASED, grouping.WHOLLY_UNTOLD)
    rows = grouping.count_groups(evidence.store, evidence.scope, query, evidence.position, by)
    counts = {row[:-1]: row[-1] for row in rows}
    without_action = counts.get((1, 1), 0)
    erased = without_action + counts.get((1, 0), 0)
    if erased:
        words = (
            f"; {without_action:,} of them no longer say what happened and are not counted in any answer"
            if without_action
            else ""
        )
        verb = "event of the period has" if erased == 1 else "events of the period have"
        yield Gap(
            "erased",
            f"{erased:,} {verb} parts erased because personal data was removed{words}.",
            "action:audit_log.subject_erased",
        )


def _set_aside(evidence: Evidence, query: Query) -> Iterator[Gap]:
    matches = compile_match(query)
    number = sum(1 for index, record in evidence.set_aside if index < evidence.position and matches(record))
    if number:
        verb = "event was" if number == 1 else "events were"
        yield Gap(
            "set_aside",
            f"{number:,} {verb} set aside because the event store did not accept them. They are counted here and are "
            "in the log.",
        )


def _late(evidence: Evidence, query: Query) -> Iterator[Gap]:
    counts = dict(grouping.count_groups(evidence.store, evidence.scope, query, evidence.position, (grouping.LATE,)))
    if late := counts.get(1, 0):
        verb = "event was" if late == 1 else "events were"
        yield Gap(
            "late",
            f"{late:,} {verb} recorded more than a day after they happened, as in an import. For these the log proves "
            "when they were recorded; the event time is as stated by the sender.",
        )


def _parse_time(text: str) -> int:
    try:
        return to_us(datetime.fromisoformat(text))
    except ValueError:
        return 0
