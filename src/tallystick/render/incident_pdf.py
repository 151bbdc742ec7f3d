"""The incident report as a PDF."""

from tallystick.render.incident_report import NO_EVENTS, NOT_WRITTEN, IncidentEvent, IncidentReport
from tallystick.render.lines import TextLine, line_of, wrap, wrap_block
from tallystick.render.pages import ACCENT, FAINT, INK, LEADING, MARGIN, RED, ROOM, Imprint, Pages

LABEL = 92.0
INDENT = 14.0
GAP = 10.0  # between the time of an event and its status
BODY = 9.5
SMALL = 8.0


def incident_pdf(report: IncidentReport) -> bytes:
    """The report as a PDF."""
    pages = Pages(Imprint(report.title, report.organization, report.generated_at))
    pages.text("Incident Report", "bold", 9, ACCENT)
    pages.add_lines(wrap(report.title, "bold", 17, ROOM))
    pages.space(6)
    for label, text in report.about:
        _labelled(pages, label, wrap(text, "sans", SMALL, ROOM - LABEL))
    pages.space(10)
    pages.rule()
    for label, text in report.lines:
        pages.space(5)
        lines = wrap_block(text or NOT_WRITTEN, "sans", BODY, ROOM - LABEL)
        _labelled(pages, f"{label}:", lines, is_faint=not text, is_bold=True)
        pages.space(5)
        pages.rule()
    _heading(pages, "Timeline", f"Times in {report.zone}")
    for gap in report.gaps:
        pages.add_lines(wrap(f"! {gap}", "sans", SMALL, ROOM), colour=RED)
    if not report.events:
        pages.text(NO_EVENTS, colour=FAINT)
    for event in report.events:
        _event_lines(pages, event)
    return pages.render_pdf()


def _heading(pages: Pages, words: str, aside: str) -> None:
    pages.ensure_room(64)
    pages.space(18)
    pages.text(words, "bold", 12)
    pages.text(aside, "sans", SMALL, FAINT)
    pages.space(6)


def _labelled(
    pages: Pages, label: str, lines: list[TextLine], *, is_faint: bool = False, is_bold: bool = False
) -> None:
    """A label on the left, beside the first line of its text."""
    size = lines[0].size
    pages.ensure_room(min(len(lines), 3) * size * LEADING)
    first = pages.y - size * LEADING + size * (LEADING - 1) / 2
    pages.draw(line_of(label, "bold" if is_bold else "sans", size), MARGIN, first, INK if is_bold else FAINT)
    pages.add_lines(lines, MARGIN + LABEL, FAINT if is_faint else INK)


def _event_lines(pages: Pages, event: IncidentEvent) -> None:
    left, room = MARGIN + INDENT, ROOM - INDENT
    summary = wrap(event.summary, "sans", BODY, room)
    note = wrap_block(event.note, "sans", BODY, room - 10) if event.note else []
    facts = wrap(" · ".join(f"{label} {text}" for label, text in event.facts), "mono", 7, room)
    pages.ensure_room((len(summary) + min(len(note), 4) + 1) * BODY * LEADING + len(facts) * 7 * LEADING + 12)
    pages.space(6)
    foot = pages.y - BODY * LEADING + BODY * (LEADING - 1) / 2
    pages.mark(MARGIN + 3, foot + 3.2, failed=event.is_failed)
    time = line_of(event.time, "bold", BODY)
    status = line_of(event.status, "sans", BODY)
    pages.draw(status, left + time.width + GAP, foot, RED if event.is_failed else FAINT)
    pages.add_lines([time], left)
    pages.add_lines(wrap(event.action, "bold", BODY, room), left)
    pages.add_lines(summary, left)
    for mark in event.marks:
        pages.add_lines(wrap(mark, "sans", SMALL, room), left, ACCENT)
    pages.add_lines(facts, left, FAINT)
    if note:
        pages.space(3)
        top = pages.y
        pages.add_lines(note, left + 10)
        pages.bar(left + 3, top)
    pages.space(6)
    pages.rule()
