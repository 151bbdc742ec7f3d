"""The incident report as a PDF."""

from tallystick.render.incident_report import NO_EVENTS, NOT_WRITTEN, Happening, IncidentReport
from tallystick.render.lines import broken, line_of
from tallystick.render.pages import ACCENT, FAINT, INK, LEADING, MARGIN, RED, ROOM, Imprint, Pages

LABEL = 92.0
INDENT = 14.0
BODY = 9.5
SMALL = 8.0


def incident_pdf(report: IncidentReport) -> bytes:
    """The whole report."""
    pages = Pages(Imprint(report.title, report.organization, report.generated_at))
    pages.text("Incident Report", "bold", 9, ACCENT)
    pages.put(broken(report.title, "bold", 17, ROOM))
    pages.space(6)
    for label, text in report.about:
        _labelled(pages, label, text, SMALL)
    pages.space(10)
    pages.rule()
    for label, text in report.lines:
        pages.space(5)
        _labelled(pages, f"{label}:", text or NOT_WRITTEN, BODY, is_faint=not text, is_bold=True)
        pages.space(5)
        pages.rule()
    _heading(pages, "Timeline", f"Times in {report.zone}")
    for gap in report.gaps:
        pages.put(broken(f"! {gap}", "sans", SMALL, ROOM), colour=RED)
    if not report.happenings:
        pages.text(NO_EVENTS, colour=FAINT)
    for happening in report.happenings:
        _happening(pages, happening)
    return pages.finished()


def _heading(pages: Pages, words: str, aside: str) -> None:
    pages.need(64)
    pages.space(18)
    pages.text(words, "bold", 12)
    pages.text(aside, "sans", SMALL, FAINT)
    pages.space(6)


def _labelled(
    pages: Pages, label: str, text: str, size: float, *, is_faint: bool = False, is_bold: bool = False
) -> None:
    """A label at the left, its text beside it; the label stands with the first line."""
    lines = broken(text, "sans", size, ROOM - LABEL)
    pages.need(min(len(lines), 3) * size * LEADING)
    first = pages.y - size * LEADING + size * (LEADING - 1) / 2
    pages.draw(line_of(label, "bold" if is_bold else "sans", size), MARGIN, first, INK if is_bold else FAINT)
    pages.put(lines, MARGIN + LABEL, FAINT if is_faint else INK)


def _happening(pages: Pages, happening: Happening) -> None:
    left, room = MARGIN + INDENT, ROOM - INDENT
    summary = broken(happening.summary, "sans", BODY, room)
    note = broken(happening.note, "sans", BODY, room - 10) if happening.note else []
    facts = broken(" · ".join(f"{label} {text}" for label, text in happening.facts), "mono", 7, room)
    pages.need((len(summary) + min(len(note), 4) + 1) * BODY * LEADING + len(facts) * 7 * LEADING + 12)
    pages.space(6)
    foot = pages.y - BODY * LEADING + BODY * (LEADING - 1) / 2
    pages.mark(MARGIN + 3, foot + 3.2, failed=happening.is_failed)
    pages.draw(line_of(happening.status, "sans", BODY), left + 142, foot, RED if happening.is_failed else FAINT)
    pages.put([line_of(happening.time, "bold", BODY)], left)
    pages.put(broken(happening.action, "bold", BODY, room), left)
    pages.put(summary, left)
    for mark in happening.marks:
        pages.put(broken(mark, "sans", SMALL, room), left, ACCENT)
    pages.put(facts, left, FAINT)
    if note:
        pages.space(3)
        top = pages.y
        pages.put(note, left + 10)
        pages.bar(left + 3, top)
    pages.space(6)
    pages.rule()
