"""Builds the incident report of a case and renders it as PDF or Markdown."""

import re
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller
from tallystick.cases.case import LINES, Case
from tallystick.cases.changes import record_change
from tallystick.cases.timeline import Timeline, TimelineEvent
from tallystick.clock import exact_time, second_words
from tallystick.events.changes import change_line, changes_of
from tallystick.events.output import event_of
from tallystick.events.words import actor_words, resource_words
from tallystick.query.scope import Scope
from tallystick.render.incident_markdown import incident_markdown
from tallystick.render.incident_pdf import incident_pdf
from tallystick.render.incident_report import IncidentEvent, IncidentReport

Format = Literal["pdf", "md"]
MOST_CHANGES = 200  # of one event
MOST_FACT = 4000  # characters: laying out the largest events of a case would take minutes


def report_of(case: Case, timeline: Timeline, organization: str, zone: tzinfo, now: int) -> IncidentReport:
    """Builds the report of a case; times are shown in `zone`, `now` is in microseconds since 1970 UTC."""
    state = "Open" if case.closed_at is None else f"Closed {exact_time(case.closed_at, zone)}"
    return IncidentReport(
        organization=organization,
        title=case.title,
        about=(
            ("Case", case.public_id),
            ("State", state),
            ("Opened", f"{exact_time(case.created_at, zone)} by {case.made_by_name}"),
        ),
        lines=tuple((label, case.lines[name]) for name, label in LINES.items()),
        events=tuple(_incident_event(event, zone) for event in timeline.events),
        gaps=tuple(timeline.gaps),
        zone=str(zone),
        generated_at=second_words(now, zone),
    )


def render_report(report: IncidentReport, form: Format) -> bytes:
    """Renders the report as the content of a file."""
    return incident_pdf(report) if form == "pdf" else incident_markdown(report).encode()


def file_name(case: Case, form: Format) -> str:
    """Returns a name such as `incident-deployment-blocked.pdf`, in letters and digits that every system accepts."""
    words = re.sub(r"[^a-z0-9]+", "-", case.title.lower())[:60].strip("-")
    return f"incident-{words or case.public_id}.{form}"


def record_report(
    connection: Connection, scope: Scope, case: Case, form: Format, *, now: int, caller: Caller = NOWHERE
) -> str:
    """Records in the audit log that a report was created; returns the organization's name."""
    record_change(connection, scope, "audit_log.report_generated", case, now, caller, {"format": form})
    return organizations.of_scope(connection, scope).name


def _incident_event(event: TimelineEvent, zone: tzinfo) -> IncidentEvent:
    if event.stored is None:
        return IncidentEvent(
            time=exact_time(event.case_event.occurred_at, zone),
            action="No longer kept",
            status="",
            is_failed=False,
            summary="This event is no longer available.",
            facts=(("event", event.case_event.public_id),),
            note=event.case_event.note,
        )
    recorded = event_of(event.stored)
    actor = recorded.get("actor", {})
    facts = {
        "by": actor_words(actor),
        "for": actor_words(actor.get("on_behalf_of", {})),
        "on": "; ".join(resource_words(one) for one in recorded.get("resources") or [recorded.get("resource", {})]),
        "from": recorded.get("context", {}).get("ip_address", ""),
        "reason": recorded.get("status_reason", ""),
        "said": recorded.get("description", ""),
    }
    return IncidentEvent(
        time=exact_time(event.stored.occurred_at, zone),
        action=recorded["action"],
        status="Failed" if recorded["status"] == "failed" else "Success",
        is_failed=recorded["status"] == "failed",
        summary=recorded["summary"],
        facts=(
            *((label, _beginning(text)) for label, text in facts.items() if text),
            *(("change", _beginning(line)) for line in _change_lines(recorded.get("changes", {}))),
            ("event", recorded["id"]),
        ),
        marks=event.marks,
        note=event.case_event.note,
    )


def _beginning(text: str) -> str:
    left = len(text) - MOST_FACT
    return text if left <= 0 else f"{text[:MOST_FACT]}… {left:,} more characters, which the event holds"


def _change_lines(changes: Mapping[str, Any]) -> Iterator[str]:
    """Every change on a line, as the panel of the event shows it; at most MOST_CHANGES, then the number of the rest."""
    lines = map(change_line, changes_of(changes))
    yield from islice(lines, MOST_CHANGES)
    if left := sum(1 for _ in lines):
        yield f"{left:,} more, which the event holds"
