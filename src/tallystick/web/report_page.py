"""The page of a compliance report: control, question, evidence; each number links to its events."""

from datetime import datetime, tzinfo
from typing import Any

from litestar import Response, get, post

from tallystick.clock import second_words, to_us, zone_of
from tallystick.compliance import reports
from tallystick.compliance.reports import ReportRequest
from tallystick.display_text import ELLIPSIS
from tallystick.exports.download import file_headers
from tallystick.exports.request import Export, require_file
from tallystick.query.values import literal_pattern
from tallystick.render.compliance_pdf import answer_words, exception_words, report_pdf
from tallystick.render.compliance_report import NO_EVIDENCE, ExceptionReport, ReportPeriod, ValueGroup
from tallystick.web.compliance_page import PATH, find_report, period_words
from tallystick.web.dependencies import CallerDep, DatabaseDep, ExporterDep, FrameDep, PoolsDep, UserScopeDep, ViewerDep
from tallystick.web.filters import Filters
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import WHOLE_TRAIL
from tallystick.web.templating import html, redirect

ONE = PATH + "/reports/{report_id:str}"


class ReportLinks:
    """Builds the URLs of the events behind the numbers of a report."""

    def __init__(self, period: ReportPeriod) -> None:
        self._period = period

    def to(self, query: str = "") -> str:
        """The events of the period that match a search."""
        return self._filters(query).href()

    def records(self, query: str) -> str:
        """The events of all time that match a search: a record that explains a gap may be older than the period."""
        return Filters(q=query, tz=self._period.zone).href()

    def exceptional(self, item: ExceptionReport) -> str:
        """The exceptional events: by their ids if the search matches more and all ids are known, else by the search."""
        if item.query_is_wider and item.samples and item.all_shown:
            return self._filters(" ".join(f"id:{sample.id}" for sample in item.samples)).href()
        return self.to(item.query)

    def group(self, item: ExceptionReport, group: ValueGroup) -> str:
        """The events of one group."""
        period = ReportPeriod(group.start, group.end, self._period.zone) if group.start else self._period
        filters = ReportLinks(period)._filters(item.query)
        if group.value.endswith(ELLIPSIS):  # a report holds the beginning of a long value alone
            return filters.href()
        return filters.with_values(group.field, (literal_pattern(group.value),)).href()

    def event(self, event_id: str) -> str:
        """The page of one event."""
        return Filters(tz=self._period.zone).href(f"/audit-logs/{event_id}")

    def _filters(self, query: str) -> Filters:
        period = self._period
        return Filters(q=query, range="custom", start=period.start, end=period.end, tz=period.zone)


@get(ONE, name="web.compliance.report", opt=WHOLE_TRAIL)
async def show_report(
    report_id: str,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    exporter: ExporterDep,
    viewer: ViewerDep,
) -> Response[str]:
    """The report, or its progress."""
    export = await database.run(find_report, database, user_scope, report_id)
    request = reports.request_of(export)
    around: dict[str, Any] = {
        "frame": frame.at("compliance"),
        "one": export,
        "asked": request,
    }
    if not export.has_file:
        return html("compliance_making.html", **around, percent=export.progress // 10, why=_missing_reason(export))
    report = await pools.searches.run(user_scope, reports.load_report, export, exporter.path(export))
    zone = zone_of(report.period.zone)
    viewer.note_page("report", report_id)
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


@get(ONE + "/progress", name="web.compliance.progress", opt=WHOLE_TRAIL)
async def show_progress(report_id: str, user_scope: UserScopeDep, database: DatabaseDep) -> Response[str]:
    """The progress of a report, as a fragment; reloads the page when the report is finished."""
    export = await database.run(find_report, database, user_scope, report_id)
    headers = None if export.is_open else {"HX-Refresh": "true"}
    return html("compliance_progress.html", headers=headers, one=export, percent=export.progress // 10)


@get(ONE + "/report.pdf", name="web.compliance.pdf", opt=WHOLE_TRAIL)
async def download_pdf(
    report_id: str,
    user_scope: UserScopeDep,
    caller: CallerDep,
    database: DatabaseDep,
    pools: PoolsDep,
    exporter: ExporterDep,
) -> Response[bytes]:
    """The report as PDF; the download is recorded."""

    def take() -> tuple[Export, bytes]:
        export = require_file(find_report(database, user_scope, report_id))
        content = report_pdf(reports.load_report(export, exporter.path(export)))
        exporter.begin_download(export, user_scope.principal, caller)
        return export, content

    export, content = await pools.searches.run(user_scope, take)
    return Response(
        content, media_type="application/pdf", headers=_attachment_header(export, reports.request_of(export), "pdf")
    )


@get(ONE + "/report.json", name="web.compliance.json", opt=WHOLE_TRAIL)
async def download_json(
    report_id: str,
    user_scope: UserScopeDep,
    caller: CallerDep,
    database: DatabaseDep,
    pools: PoolsDep,
    exporter: ExporterDep,
) -> Response[bytes]:
    """The report as JSON; the download is recorded."""

    def take() -> tuple[Export, bytes]:
        export = require_file(find_report(database, user_scope, report_id))
        content = reports.read_content(export, exporter.path(export))
        exporter.begin_download(export, user_scope.principal, caller)
        return export, content

    export, content = await pools.searches.run(user_scope, take)
    headers = {**file_headers(export), **_attachment_header(export, reports.request_of(export), "json")}
    return Response(content, media_type="application/json", headers=headers)


@post(ONE + "/evidence", name="web.compliance.evidence", status_code=303, opt=WHOLE_TRAIL)
async def request_evidence(report_id: str, form_request: FormRequestDep, exporter: ExporterDep) -> Response[str]:
    """Requests a bundle of the events behind the report; the file appears on the Exports page."""
    await form_request.read(exporter.check_space)
    await form_request.write(reports.request_evidence, report_id, **form_request.context)
    exporter.wake()
    return redirect("/exports")


def _attachment_header(export: Export, request: ReportRequest, suffix: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="report-{request.framework}-{export.public_id}.{suffix}"'}


def _missing_reason(export: Export) -> str:
    """Why a report has no file; "" while it is in progress."""
    if export.is_open:
        return ""
    if export.state == "failed":
        return export.error or "Creating it failed."
    if export.state == "cancelled":
        return "It was cancelled."
    return {
        "expired": "Reports are kept for 7 days, and this one has expired.",
        "deleted": "It was deleted.",
        "erased": "It was deleted because personal data was erased.",
        "lost": "The server was restored without it.",
    }.get(export.gone, "It is no longer available.")


def _period(period: ReportPeriod, zone: tzinfo) -> str:
    ends = [to_us(datetime.fromisoformat(text)) for text in (period.start, period.end)]
    return period_words(ends[0], ends[1], zone)
