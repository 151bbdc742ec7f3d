"""The content of an incident report, in reading order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """An event of the timeline, in words. `marks` say why it stands out; `note` is a person's note on it."""

    time: str
    action: str
    status: str
    is_failed: bool
    summary: str
    facts: tuple[tuple[str, str], ...]
    marks: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """A report: `about` describes the case, `lines` are the six texts of the report; both are pairs of label and text.

    `zone` is the time zone of all times. `gaps` say what is missing from the timeline, and why.
    """

    organization: str
    title: str
    about: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str], ...]
    events: tuple[IncidentEvent, ...]
    gaps: tuple[str, ...]
    zone: str
    generated_at: str


NOT_WRITTEN = "Not written yet."
NO_EVENTS = "This case has no events."
