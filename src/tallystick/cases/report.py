"""The incident report of a case, as PDF and Markdown."""

import re
from datetime import tzinfo
from typing import Literal

from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller
from tallystick.cases.case import LINES, Case
from tallystick.cases.changes import told
from tallystick.cases.timeline import Moment, Timeline
from tallystick.clock import exact_time, second_words
from tallystick.events.output import event_of
from tallystick.events.words import actor_words, resource_words
from tallystick.query.scope import Scope
from tallystick.render.incident_markdown import incident_markdown
from tallystick.render.incident_pdf import incident_pdf
from tallystick.render.incident_report import IncidentEvent, IncidentReport

Format = Literal["pdf", "md"]


def report_of(case: Case, timeline: Timeline, organization: str, zone: tzinfo, now: int) -> IncidentReport:
    """What the report says; times in `zone`, `now` in microseconds since 1970 UTC."""
    state = "Open" if case.closed_at is None else f"Closed {exact_time(case.closed_at, zone)}"
    return IncidentReport(
        organization=organization,
        title=case.title,
        about=(
            ("Case", case.shown_id),
            ("State", state),
            ("Opened", f"{exact_time(case.created_at, zone)} by {case.made_by_name}"),
        ),
        lines=tuple((label, case.lines[name]) for name, label in LINES.items()),
        events=tuple(_incident_event(moment, zone) for moment in timeline.moments),
        gaps=tuple(timeline.gaps),
        zone=str(zone),
        generated_at=second_words(now, zone),
    )


def written_as(report: IncidentReport, form: Format) -> bytes:
    """The report as a file."""
    return incident_pdf(report) if form == "pdf" else incident_markdown(report).encode()


def file_name(case: Case, form: Format) -> str:
    """`incident-deployment-blocked.pdf`: letters and digits of the title, so that every system takes it."""
    words = re.sub(r"[^a-z0-9]+", "-", case.title.lower())[:60].strip("-")
    return f"incident-{words or case.shown_id}.{form}"


def note_report(
    connection: Connection, scope: Scope, case: Case, form: Format, *, now: int, caller: Caller = NOWHERE
) -> str:
    """Record that a report was made; gives the organization's name for it."""
    told(connection, scope, "audit_log.report_generated", case, now, caller, {"format": form})
    return organizations.of_scope(connection, scope).name


def _incident_event(moment: Moment, zone: tzinfo) -> IncidentEvent:
    if moment.stored is None:
        return IncidentEvent(
            time=exact_time(moment.held.occurred_at, zone),
            action="No longer kept",
            status="",
            is_failed=False,
            summary="This event is no longer available.",
            facts=(("event", moment.held.shown_id),),
            note=moment.held.note,
        )
    event = event_of(moment.stored)
    facts = {
        "by": actor_words(event.get("actor", {})),
        "on": resource_words(event.get("resource", {})),
        "from": event.get("context", {}).get("ip_address", ""),
        "said": event.get("description", ""),
        "changes": "; ".join(f"{name}: {_shown(value)}" for name, value in event.get("changes", {}).items()),
        "event": event["id"],
    }
    return IncidentEvent(
        time=exact_time(moment.stored.occurred_at, zone),
        action=event["action"],
        status="Failed" if event["status"] == "failed" else "Success",
        is_failed=event["status"] == "failed",
        summary=event["summary"],
        facts=tuple((label, text) for label, text in facts.items() if text),
        marks=moment.marks,
        note=moment.held.note,
    )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else ""
