"""The compliance report as a PDF: cover with gaps, overview of the controls, then each control."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from tallystick.display_text import display_line
from tallystick.render.compliance_report import (
    NO_EVIDENCE,
    ComplianceReport,
    ControlReport,
    EventLine,
    ExceptionReport,
    QuestionReport,
    ReviewLine,
    ValueGroup,
)
from tallystick.render.export_pdf import truncate
from tallystick.render.fonts import Face
from tallystick.render.lines import line_of, wrap, wrap_beginning, wrap_block
from tallystick.render.pages import ACCENT, FAINT, INK, LEADING, MARGIN, RED, ROOM, Imprint, Pages

BODY = 9.5
SMALL = 8.0
CELL = 7.0
LABEL = 92.0
INDENT = 12.0
MAX_CELL = 200  # characters of a cell, before it is cut to its width
MAX_LINES = 60  # of one value
COLUMNS: tuple[tuple[str, float, Face, float], ...] = (
    ("Timestamp", 84, "sans", CELL),
    ("User", 88, "sans", CELL),
    ("Action", 104, "mono", 6.5),
    ("Resource", 80, "sans", CELL),
    ("Event ID", 116, "mono", 6.0),
)


def report_pdf(report: ComplianceReport) -> bytes:
    """The report as a PDF."""
    zone = _zone(report.period.zone)
    title = f"{report.title} report"
    pages = Pages(Imprint(title, report.organization, _time(report.asked_at, zone)))
    _cover(pages, report, zone)
    _overview(pages, report)
    for control in report.controls:
        _control(pages, control, zone)
    _reviews(pages, report, zone)
    _origin(pages, report)
    return pages.render_pdf()


def period_words(report: ComplianceReport) -> str:
    """The period in words; the end is not included."""
    zone = _zone(report.period.zone)
    return f"{_time(report.period.start, zone)} to {_time(report.period.end, zone)} (exclusive)"


def answer_words(answer: QuestionReport) -> str:
    """The number of events and users in words."""
    if not answer.count:
        return NO_EVIDENCE
    events = f"{answer.count:,} event{'' if answer.count == 1 else 's'}"
    users = f", by {answer.users:,} user{'' if answer.users == 1 else 's'}" if answer.users else ""
    return f"{events} ({answer.success:,} success, {answer.failed:,} failed){users}"


def exception_words(one: ExceptionReport) -> str:
    """An exception and how often it occurred, in words."""
    if not one.count:
        return f"{one.says}: none"
    units = {"event": "event", "resource": "resource"}.get(one.unit, f"times ({one.unit})")
    words = units if one.count == 1 or units.startswith("times") else f"{units}s"
    return f"{one.says}: {one.count:,} {words if one.count != 1 else words.replace('times', 'time')}"


def _cover(pages: Pages, report: ComplianceReport, zone: tzinfo) -> None:
    pages.text("Compliance report", "bold", 9, ACCENT)
    pages.add_lines(wrap(report.title, "bold", 17, ROOM))
    pages.add_lines(wrap(report.about, "sans", SMALL, ROOM), colour=FAINT)
    pages.space(8)
    pages.rule()
    pages.space(6)
    counts = f"{report.events:,} in the period ({report.success:,} success, {report.failed:,} failed)"
    said = [
        ("Organization", report.organization),
        ("Period", period_words(report)),
        ("Time zone", report.period.zone),
        ("Events", counts),
        ("Log position", f"the first {report.position:,} log entries; events recorded later are not included"),
        ("Requested", f"{_time(report.asked_at, zone)} by {report.asked_by}"),
    ]
    if report.first:
        said.insert(4, ("First and last", f"{_time(report.first, zone)}, {_time(report.last, zone)}"))
    for label, text in said:
        _labelled(pages, label, text)
    _heading(pages, "Gaps")
    for gap in report.gaps:
        pages.add_lines(wrap(f"! {gap.says}", "sans", BODY, ROOM), colour=RED)
        pages.space(3)
    if not report.gaps:
        pages.add_lines(wrap("No known gaps in this period.", "sans", BODY, ROOM))


def _overview(pages: Pages, report: ComplianceReport) -> None:
    _heading(pages, "Controls")
    pages.add_lines(wrap(_overview_words(report), "sans", SMALL, ROOM), colour=FAINT)
    pages.space(4)
    for control in report.controls:
        found = sum(answer.count > 0 for answer in control.answers)
        out = sum(one.count > 0 for answer in control.answers for one in answer.exceptions)
        facts = [f"evidence for {found} of {len(control.answers)}"] + ([f"{out} to review"] if out else [])
        colour = RED if out or found < len(control.answers) else FAINT
        pages.ensure_room(BODY * LEADING + 6)
        top = pages.y - BODY * LEADING
        pages.draw(line_of(control.id, "bold", SMALL), MARGIN, top + 3)
        pages.draw(truncate(control.title, "sans", SMALL, 230), MARGIN + 64, top + 3)
        pages.draw(truncate(" · ".join(facts), "sans", SMALL, ROOM - 304), MARGIN + 304, top + 3, colour)
        pages.space(BODY * LEADING + 2)
        pages.rule()


def _overview_words(report: ComplianceReport) -> str:
    words = (
        f"{report.unanswered} questions without evidence" if report.unanswered != 1 else "1 question without evidence"
    )
    out = report.exceptions
    things = f"{out} exceptions to review" if out != 1 else "1 exception to review"
    return f"{words}; {things}. Every number is exact. An event of several users counts for each."


def _control(pages: Pages, control: ControlReport, zone: tzinfo) -> None:
    _heading(pages, f"{control.id}  {control.title}", control.about)
    for answer in control.answers:
        _answer(pages, answer, zone)


def _answer(pages: Pages, answer: QuestionReport, zone: tzinfo) -> None:
    # Keep the question on one page with its first events.
    pages.ensure_room(70 + _height(answer.failures or answer.newest))
    pages.space(6)
    pages.add_lines(wrap(answer.asks, "bold", BODY, ROOM))
    pages.add_lines(wrap(answer.query, "mono", 6.5, ROOM), colour=FAINT)
    pages.add_lines(wrap(answer_words(answer), "sans", BODY, ROOM), colour=INK if answer.count else RED)
    if answer.by_user:
        top = ", ".join(f"{one.value} {one.count:,}" for one in answer.by_user)
        more = f" and {answer.users - len(answer.by_user):,} more" if answer.users > len(answer.by_user) else ""
        pages.add_lines(wrap(f"By user: {top}{more}", "sans", SMALL, ROOM), colour=FAINT)
    if len(answer.by_action) > 1:
        top = ", ".join(f"{one.value} {one.count:,}" for one in answer.by_action)
        left = answer.actions - len(answer.by_action)
        more = f" and {left:,} more" if left > 0 else ""
        pages.add_lines(wrap(f"By action: {top}{more}", "sans", SMALL, ROOM), colour=FAINT)
    for one in answer.exceptions:
        _exceptional(pages, one, zone)
    if answer.failures:
        shown = (
            f"The latest {len(answer.failures)} failed events"
            if answer.failed > len(answer.failures)
            else "All failed events"
        )
        _samples(pages, shown, answer.failures, zone)
    if answer.newest:
        shown = (
            f"The latest {len(answer.newest)} events"
            if answer.success > len(answer.newest)
            else "All successful events"
        )
        _samples(pages, shown, answer.newest, zone)
    pages.space(4)


def _exceptional(pages: Pages, one: ExceptionReport, zone: tzinfo) -> None:
    pages.space(3)
    colour = RED if one.count else FAINT
    size = BODY if one.count else SMALL
    pages.add_lines(wrap(("! " if one.count else "") + exception_words(one), "sans", size, ROOM), colour=colour)
    for group in one.groups:
        pages.add_lines(wrap(_group_words(group, zone), "sans", SMALL, ROOM - INDENT), MARGIN + INDENT)
    if one.groups and not one.all_shown:
        left = one.count - len(one.groups)
        pages.add_lines(wrap(f"and {left:,} more", "sans", SMALL, ROOM - INDENT), MARGIN + INDENT, FAINT)
    if one.samples:
        _samples(pages, "" if one.all_shown else f"The latest {len(one.samples)} of {one.count:,}", one.samples, zone)


def _group_words(group: ValueGroup, zone: tzinfo) -> str:
    when = f", in the hour starting {_time(group.start, zone)}" if group.start else ""
    return f"{group.value}: {group.count:,} event{'' if group.count == 1 else 's'}{when}"


def _samples(pages: Pages, words: str, samples: Sequence[EventLine], zone: tzinfo) -> None:
    pages.ensure_room(_height(samples))
    pages.space(3)
    if words:
        pages.add_lines(wrap(words, "sans", SMALL, ROOM), colour=FAINT)
    for sample in samples:
        pages.ensure_room(CELL * LEADING + 3)
        foot = pages.y - CELL * LEADING
        failed = sample.status == "failed"
        pages.mark(MARGIN + 3, foot + 2.4, failed=failed)
        left = MARGIN + 10
        cells = (
            _time(sample.timestamp, zone, bare=True),
            sample.user or "erased",
            sample.action or "erased",
            sample.resource,
            sample.id,
        )
        for (_, width, face, size), text in zip(COLUMNS, cells, strict=True):
            flat = display_line(text, MAX_CELL)
            pages.draw(truncate(flat, face, size, width - 5), left, foot, RED if failed and face == "mono" else INK)
            left += width
        pages.space(CELL * LEADING + 2)


def _height(samples: Sequence[EventLine]) -> float:
    """The height of the heading and the first five events, in points."""
    return 3 * SMALL * LEADING + min(len(samples), 5) * (CELL * LEADING + 2)


def _reviews(pages: Pages, report: ComplianceReport, zone: tzinfo) -> None:
    _heading(pages, "Reviews of this period", "Who reviewed the audit log, which events, and what they found.")
    for part in report.not_reviewed:
        words = f"! No signed review covers {_time(part.start, zone)} to {_time(part.end, zone)}."
        pages.add_lines(wrap(words, "sans", BODY, ROOM), colour=RED)
    for review in report.reviews:
        _review(pages, review, report, zone)


def _review(pages: Pages, review: ReviewLine, report: ComplianceReport, zone: tzinfo) -> None:
    pages.ensure_room(90)
    pages.space(6)
    head = f"Signed {_time(review.signed_at, zone)} by {review.signed_by}"
    pages.add_lines(wrap(head, "bold", BODY, ROOM))
    about = f"{_control_words(review.about, report)} · " if review.about else ""
    looked = (
        f"{about}{review.filter} · {_time(review.start, zone)} to {_time(review.end, zone)} · {review.events:,} "
        f"event{'' if review.events == 1 else 's'} among the first {review.position:,} log entries"
    )
    pages.add_lines(wrap(looked, "sans", SMALL, ROOM), colour=FAINT)
    for word, other in (("Corrects", review.corrects), ("Corrected by", review.corrected_by)):
        if other:
            pages.add_lines(wrap(f"{word} {other}", "sans", SMALL, ROOM), colour=RED)
    pages.add_lines(wrap_block(review.conclusion, "sans", BODY, ROOM))
    for finding in review.findings:
        words = f"{finding.severity}: {finding.note}" if finding.note else finding.severity
        pages.add_lines(wrap(f"{words} ({finding.event})", "sans", SMALL, ROOM - INDENT), MARGIN + INDENT)
    pages.add_lines(wrap(f"{review.id} · SHA-256 {review.sha256}", "mono", 6.5, ROOM), colour=FAINT)


def _control_words(about: str, report: ComplianceReport) -> str:
    """A control as people write it: `SOC 2 · CC6.3` for `soc2 CC6.3`; other text stays as it is."""
    control = about.removeprefix(f"{report.framework} ")
    return about if control == about else f"{report.title} · {control}"


def _origin(pages: Pages, report: ComplianceReport) -> None:
    _heading(pages, "Verification")
    if report.checkpoint:
        pages.add_lines(wrap_block(report.checkpoint.strip(), "mono", 6.5, ROOM))
        pages.space(4)
    words = (
        "All events counted here are in the log that this checkpoint covers. This document is a summary and proves "
        "nothing by itself: the evidence bundle of this report holds its events with their proofs."
    )
    pages.add_lines(wrap(words, "sans", SMALL, ROOM), colour=FAINT)
    for name, digest in report.sources:
        pages.add_lines(wrap(f"Questions from {name}, SHA-256 {digest}", "mono", 6.5, ROOM), colour=FAINT)


def _heading(pages: Pages, words: str, aside: str = "") -> None:
    pages.ensure_room(84)
    pages.space(16)
    pages.add_lines(wrap(words, "bold", 12, ROOM))
    if aside:
        pages.add_lines(wrap(aside, "sans", SMALL, ROOM), colour=FAINT)
    pages.space(2)
    pages.rule()
    pages.space(4)


def _labelled(pages: Pages, label: str, text: str) -> None:
    lines = wrap_beginning(text, "sans", BODY, ROOM - LABEL, MAX_LINES)
    pages.ensure_room(min(len(lines), 4) * BODY * LEADING)
    foot = pages.y - BODY * LEADING + BODY * (LEADING - 1) / 2
    pages.draw(line_of(label, "sans", BODY), MARGIN, foot, FAINT)
    pages.add_lines(lines, MARGIN + LABEL)
    pages.space(2)


def _zone(name: str) -> tzinfo:
    return UTC if name.upper() in ("", "UTC", "Z") else ZoneInfo(name)


def _time(text: str, zone: tzinfo, *, bare: bool = False) -> str:
    """The time to the second; with `bare` without the zone."""
    moment = datetime.fromisoformat(text).astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if bare else f"{moment:%Y-%m-%d %H:%M:%S %Z}".rstrip()
