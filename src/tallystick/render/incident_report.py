"""The incident report: what it says, in the order in which it is read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of the timeline, in words. `marks` say why it stands out; `note` is what somebody wrote beside it."""

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
    """`lines` are the report's own six, `about` what the case is; both as label and text. `zone` is that of all times.

    `gaps` say what is missing from the timeline, and why.
    """

    organization: str
    title: str
    about: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str], ...]
    happenings: tuple[Happening, ...]
    gaps: tuple[str, ...]
    zone: str
    generated_at: str


NOT_WRITTEN = "Not written yet."
NO_EVENTS = "This case has no events."
