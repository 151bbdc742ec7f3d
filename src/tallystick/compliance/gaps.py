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
from tallystick.outbox.write import TALLYSTICK
from tallystick.query.conditions import Query, exactly
from tallystick.render.compliance_report import Gap
from tallystick.retention import holds
from tallystick.search.match import compile_match
from tallystick.store import grouping

MOST_RECORDS = 20
PRUNED = "action:audit_log.pruned"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the control database says of an organization's trail; times in microseconds."""

    log_began_at: int
    pruned: int
    frozen_reason: str
    kept_days: int
    active_holds: int


def standing(connection: Connection, evidence: Evidence, now: int) -> Standing:
    """As it is when the report is made."""
    scope = evidence.scope
    row = connection.execute(select(logs).where(logs.c.org_id == scope.org_id)).one()
    return Standing(
        row.created_at,
        row.pruned,
        row.frozen_reason or "",
        organizations.effective_retention_days(connection, scope.org_id, now),
        len(holds.active(connection, scope)),
    )


def gaps_of(evidence: Evidence, found: Standing, zone: tzinfo, now: int) -> Iterator[Gap]:
    """Each thing that is missing or may be, the most important first."""
    query = evidence.query()
    start, end = query.start or 0, query.end or now
    yield from _past_retention(evidence, found, start, zone, now)
    if end > evidence.asked_at:
        yield Gap("future", f"The period ends at {second_words(end, zone)}. The report was asked for before that, at "
                  f"{second_words(evidence.asked_at, zone)}, and says nothing of the time after it.")  # fmt: skip
    yield from _erased(evidence, query)
    yield from _aside(evidence, query)
    if start < found.log_began_at:
        yield Gap("before_log", f"The log of this organization began at {second_words(found.log_began_at, zone)}. "
                  "What happened before was recorded afterwards, by an import, or is not here.")  # fmt: skip
    yield from _late(evidence, query)
    if found.frozen_reason:
        yield Gap("frozen", f"The log is frozen, and nothing is recorded in it: {found.frozen_reason}")


def _past_retention(evidence: Evidence, found: Standing, start: int, zone: tzinfo, now: int) -> Iterator[Gap]:
    keeps_from = now - found.kept_days * DAY_US
    if start < keeps_from:
        held = " but for what a legal hold keeps" if found.active_holds else ""
        yield Gap("retention", f"Events are kept for {found.kept_days:,} days. The part of the period "
                  f"before {second_words(keeps_from, zone)} is past that: "
                  f"nothing of it may be here any more{held}.")  # fmt: skip
    before = _pruned_before(evidence)
    if found.pruned and before > start:
        yield Gap(
            "pruned",
            f"Events from before {second_words(before, zone)} were deleted when their time was over, "
            f"{found.pruned:,} in all since the log began. The records name each by its index; how many of them lay in "
            "this period nobody can tell any more.",
            PRUNED,
        )


def _pruned_before(evidence: Evidence) -> int:
    """Before when everything happened that was deleted, as far as the last records say."""
    records = grouping.newest(
        evidence.store, evidence.scope, Query(exactly("action", "audit_log.pruned")), evidence.position, MOST_RECORDS
    )
    found = 0
    for record in records:
        event = event_of(record)
        by = event["recorded_by"]
        # A sender may give an event of its own this name.
        if (by.get("type"), by.get("id")) == (TALLYSTICK.kind, TALLYSTICK.id):
            found = max(found, _us(str(event.get("metadata", {}).get("before", ""))))
    return found


def _erased(evidence: Evidence, query: Query) -> Iterator[Gap]:
    by = (grouping.PARTLY_ERASED, grouping.WHOLLY_UNTOLD)
    rows = grouping.grouped(evidence.store, evidence.scope, query, evidence.position, by)
    counts = {row[:-1]: row[-1] for row in rows}
    untold = counts.get((1, 1), 0)
    partly = untold + counts.get((1, 0), 0)
    if partly:
        words = f"; {untold:,} of them no longer say what happened and are in no answer" if untold else ""
        verb = "event of the period has" if partly == 1 else "events of the period have"
        yield Gap("erased", f"{partly:,} {verb} lost parts because personal data was erased{words}.",
                  "action:audit_log.subject_erased")  # fmt: skip


def _aside(evidence: Evidence, query: Query) -> Iterator[Gap]:
    matches = compile_match(query)
    number = sum(1 for index, record in evidence.aside if index < evidence.position and matches(record))
    if number:
        verb = "event was" if number == 1 else "events were"
        yield Gap("set_aside", f"{number:,} {verb} set aside, since the event store would not take what was "
                  "sent. They are counted here, and stand in the log.")  # fmt: skip


def _late(evidence: Evidence, query: Query) -> Iterator[Gap]:
    counts = dict(grouping.grouped(evidence.store, evidence.scope, query, evidence.position, (grouping.LATE,)))
    if late := counts.get(1, 0):
        verb = "event was" if late == 1 else "events were"
        yield Gap("late", f"{late:,} {verb} recorded more than a day after happening, as an import does. For these the "
                  "log proves when they were recorded, and the time they name is their sender's word.")  # fmt: skip


def _us(text: str) -> int:
    try:
        return to_us(datetime.fromisoformat(text))
    except ValueError:
        return 0
