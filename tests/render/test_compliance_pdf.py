"""The compliance report as a PDF: whatever stands in the trail, it is shown as text, and fits."""

import pytest
from msgspec.structs import replace

from tallystick.render.compliance_pdf import report_pdf
from tallystick.render.compliance_report import (
    ComplianceReport,
    ControlReport,
    EventLine,
    ExceptionReport,
    FindingLine,
    Gap,
    QuestionReport,
    ReportPeriod,
    ReviewLine,
    ValueCount,
    ValueGroup,
    parse_report,
    report_json,
)
from tests.render.reading import ink_of, text_of
from tests.web.happenings import ZOO

AT = "2024-01-15T10:00:00.000000Z"
NAMES = ("نورة الأحمد", "יעל כהן", "王小明", "Ελένη Παπαδάκη", "Ольга Иванова")


def report_of(text: str) -> ComplianceReport:
    """A report in which a text stands wherever somebody else decides what stands there."""
    samples = (EventLine("evt_1", 7, AT, text, "user.login", text, "192.0.2.1", "failed", text),)
    exception = ExceptionReport(
        text, "status:failed", 3, "event", samples, (ValueGroup(text, 3, "user", AT, AT),), False
    )
    answer = QuestionReport(
        text,
        text,
        3,
        1,
        2,
        1,
        (ValueCount(text, 3),),
        (ValueCount("a.b", 1), ValueCount("c.d", 2)),
        2,
        samples,
        samples,
        (exception,),
    )
    review = ReviewLine(
        "rev_1", text, AT, AT, False, text, 3, 9, text, AT, "a" * 64, text, (FindingLine("evt_1", "high", text),)
    )
    return ComplianceReport(
        text,
        "org_1",
        "own",
        text,
        text,
        ReportPeriod(AT, "2024-02-01T00:00:00.000000Z", "Europe/Berlin"),
        9,
        f"{text}\n9\n",
        AT,
        text,
        3,
        1,
        2,
        AT,
        AT,
        (Gap("late", text),),
        (ControlReport(text[:100], text, text, (answer,)),),
        (review,),
        (ReportPeriod(AT, AT, "UTC"),),
        ((text, "b" * 64),),
    )


@pytest.mark.parametrize("text", [*ZOO, "x" * 5000, "a\nb\tc", "=1+1", "<b>bold</b>", "%PDF-1.4 endobj"])
def test_nothing_in_the_trail_breaks_it(text):
    shown = text_of(report_pdf(report_of(text)))
    assert "Gaps" in shown
    assert "Reviews of this period" in shown
    assert "Verification" in shown


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_script_are_drawn(name):
    assert ink_of(report_pdf(report_of(name))) > ink_of(report_pdf(report_of(" "))) + 500


def test_the_end_of_a_long_conclusion_is_there():
    (review,) = report_of("x").reviews
    long = replace(review, conclusion="All is well. " * 700 + "Except for the vault.")
    assert "Except for the vault." in text_of(report_pdf(replace(report_of("x"), reviews=(long,))))


def test_html_is_text_and_times_are_in_the_zone_of_the_period():
    shown = text_of(report_pdf(report_of("<b>bold</b>")))
    assert "<b>bold</b>" in shown
    assert "2024-01-15 11:00:00 CET" in shown


def test_json_is_read_back_as_it_was_written():
    report = report_of("<script>")
    assert parse_report(report_json(report)) == report
    assert report_json(parse_report(report_json(report))) == report_json(report)
