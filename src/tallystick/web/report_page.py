"""A compliance report on the page: control, question, evidence; each number leads to the list behind it."""

from datetime import datetime, tzinfo
from typing import Any

from litestar import Response, get, post

from tallystick.clock import second_words, to_us, zone_of
from tallystick.compliance import reports
from tallystick.compliance.reports import ReportRequest
from tallystick.exports.links import file_headers
from tallystick.exports.request import Export, require_file
from tallystick.render.compliance_pdf import answer_words, exception_words, report_pdf
from tallystick.render.compliance_report import NO_EVIDENCE, ExceptionReport, ReportPeriod, ValueGroup
from tallystick.web.compliance_page import PATH, find_report, period_words
from tallystick.web.dependencies import CallerDep, DatabaseDep, ExporterDep, FrameDep, UserScopeDep
from tallystick.web.filters import Filters
from tallystick.web.form_request import FormRequestDep
from tallystick.web.templating import html, redirect

ONE = PATH + "/reports/{report_id:str}"


class ReportLinks:
    """From numbers of a report to the lists behind them."""

    def __init__(self, period: ReportPeriod) -> None:
        self._period = period

    def to(self, query: str = "") -> str:
        """The events of the period that a search finds."""
        return self._filters(query).href()

    def records(self, query: str) -> str:
        """The same of all time: what explains a gap was told when it came to be."""
        return Filters(q=query, tz=self._period.zone).href()

    def exceptional(self, one: ExceptionReport) -> str:
        """Those that stand out: one by one where the search alone finds more and all of them are known."""
        if one.query_is_wider and one.samples and one.all_shown:
            return self._filters(" ".join(f"id:{sample.id}" for sample in one.samples)).href()
        return self.to(one.query)

    def group(self, one: ExceptionReport, group: ValueGroup) -> str:
        """The events of a group."""
        period = ReportPeriod(group.start, group.end, self._period.zone) if group.start else self._period
        return ReportLinks(period)._filters(one.query).with_values(group.field, (group.value,)).href()

    def event(self, event_id: str) -> str:
        return Filters(tz=self._period.zone).href(f"/audit-logs/{event_id}")

    def _filters(self, query: str) -> Filters:
        period = self._period
        return Filters(q=query, range="custom", start=period.start, end=period.end, tz=period.zone)


@get(ONE, name="web.compliance.report")
async def show_report(
    report_id: str, user_scope: UserScopeDep, frame: FrameDep, database: DatabaseDep, exporter: ExporterDep
) -> Response[str]:
    """The report; while it is made, how far that is."""
    one = await database.run(find_report, database, user_scope, report_id)
    asked = reports.request_of(one)
    around: dict[str, Any] = {
        "frame": frame.at("compliance"),
        "one": one,
        "asked": asked,
    }
    if not one.has_file:
        return html("compliance_making.html", **around, percent=one.progress // 10, why=_missing_reason(one))
    report = await database.run(reports.load_report, one, exporter.path(one))
    zone = zone_of(report.period.zone)
    return html(
        "compliance_report.html",
        **around,
        report=report,
        links=ReportLinks(report.period),
        period=_period(report.period, zone),
        parts=[_period(part, zone) for part in report.not_reviewed],
        reviews={line.id: line for line in report.reviews},
        at=lambda text: second_words(to_us(datetime.fromisoformat(text)), zone) if text else "",
        period_of=lambda line: _period(ReportPeriod(line.start, line.end, report.period.zone), zone),
        answer_words=answer_words,
        exception_words=exception_words,
        no_evidence=NO_EVIDENCE,
    )


@get(ONE + "/progress", name="web.compliance.progress")
async def show_progress(report_id: str, user_scope: UserScopeDep, database: DatabaseDep) -> Response[str]:
    """How far it is; when it is over, the page is loaded again."""
    one = await database.run(find_report, database, user_scope, report_id)
    headers = None if one.is_open else {"HX-Refresh": "true"}
    return html("compliance_progress.html", headers=headers, one=one, percent=one.progress // 10)


@get(ONE + "/report.pdf", name="web.compliance.pdf")
async def download_pdf(
    report_id: str, user_scope: UserScopeDep, caller: CallerDep, database: DatabaseDep, exporter: ExporterDep
) -> Response[bytes]:
    """The report as a PDF."""

    def take() -> tuple[Export, bytes]:
        one = require_file(find_report(database, user_scope, report_id))
        content = report_pdf(reports.load_report(one, exporter.path(one)))
        exporter.begin_download(one, user_scope.principal, caller)
        return one, content

    one, content = await database.run(take)
    return Response(
        content, media_type="application/pdf", headers=_attachment_header(one, reports.request_of(one), "pdf")
    )


@get(ONE + "/report.json", name="web.compliance.json")
async def download_json(
    report_id: str, user_scope: UserScopeDep, caller: CallerDep, database: DatabaseDep, exporter: ExporterDep
) -> Response[bytes]:
    """The report as JSON."""

    def take() -> tuple[Export, bytes]:
        one = require_file(find_report(database, user_scope, report_id))
        content = reports.read_content(one, exporter.path(one))
        exporter.begin_download(one, user_scope.principal, caller)
        return one, content

    one, content = await database.run(take)
    headers = {**file_headers(one), **_attachment_header(one, reports.request_of(one), "json")}
    return Response(content, media_type="application/json", headers=headers)


@post(ONE + "/evidence", name="web.compliance.evidence", status_code=303)
async def request_evidence(report_id: str, form_request: FormRequestDep, exporter: ExporterDep) -> Response[str]:
    """Lets the events behind the report be bundled; Exports has the file when it is ready."""
    await form_request.write(reports.request_evidence, report_id, **form_request.context)
    exporter.wake()
    return redirect("/exports")


def _attachment_header(one: Export, asked: ReportRequest, suffix: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="report-{asked.framework}-{one.shown_id}.{suffix}"'}


def _missing_reason(one: Export) -> str:
    """Why there is no report to read; empty while it is being made."""
    if one.is_open:
        return ""
    if one.state == "failed":
        return one.error or "Creating it failed."
    if one.state == "cancelled":
        return "It was cancelled."
    return {
        "expired": "Reports are kept for 7 days, and this one has expired.",
        "deleted": "It was deleted.",
        "erased": "It was deleted because personal data was erased.",
        "lost": "The server was restored without it.",
    }.get(one.gone, "It is no longer available.")


def _period(period: ReportPeriod, zone: tzinfo) -> str:
    ends = [to_us(datetime.fromisoformat(text)) for text in (period.start, period.end)]
    return period_words(ends[0], ends[1], zone)
