"""Compliance reports, their frameworks and their evidence: /v1/reports and /v1/frameworks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from litestar import Request, Response, get, post
from msgspec import Meta

from tallystick.api.answers import HEADERS, answer
from tallystick.api.authorized_request import AuthorizedRequest, authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.exports import FILE, ExportResponse, Gone, Progress, Status
from tallystick.api.fields import Count, LogSize, PrincipalReference, RequestBody, ResponseBody, Sha256, Time, doc
from tallystick.api.operation import operation
from tallystick.api.query_parameters import DEFAULT_LISTED, MOST_LISTED
from tallystick.api.query_parameters import EXPORTS as PARAMETERS
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.compliance import reports
from tallystick.compliance.framework import Control, ExceptionSearch, Framework, Question
from tallystick.compliance.reports import ReportRequest
from tallystick.exports.download import file_headers
from tallystick.exports.request import Export, require_file
from tallystick.render.compliance_pdf import report_pdf

PATH = "/v1/reports"
PDF = "application/pdf"
_operation = partial(operation, "Compliance", "exports", "events:read")
_MINIMUM = {"minLength": 1}


class ReportInput(RequestBody):
    """A compliance report as requested."""

    framework: Annotated[str, doc("Id of a framework.")]
    start: Annotated[str, Meta(description="First date, or a time (inclusive).", extra_json_schema=_MINIMUM)]
    end: Annotated[str, Meta(description="Last date, or a time (exclusive).", extra_json_schema=_MINIMUM)]
    tz: Annotated[str, doc("Time zone of dates without a time and of the PDF.")] = "UTC"


class FrameworkException(ResponseBody):
    """Events among the answers to a question that need a closer look."""

    says: Annotated[str, doc("What stands out about them.")]
    query: Annotated[str, doc("Search that finds them.")]
    own: Annotated[bool, doc("Only events whose actor is the resource.")]
    per: Annotated[str | None, doc("Field of which one value must have `at_least` events in an hour.")]
    at_least: Annotated[Count, doc("Number of events in an hour; see `per`.")]
    without: Annotated[str, doc("Search: only resources for which it finds nothing.")]

    @classmethod
    def of(cls, exception: ExceptionSearch) -> "FrameworkException":
        return cls(exception.says, exception.query, exception.own, exception.per, exception.at_least, exception.without)


class FrameworkQuestion(ResponseBody):
    """A question of a control, answered by a search."""

    asks: Annotated[str, doc("The question.")]
    query: Annotated[str, doc("Search whose events answer it.")]
    exceptions: list[FrameworkException]

    @classmethod
    def of(cls, question: Question) -> "FrameworkQuestion":
        return cls(question.asks, question.query, [FrameworkException.of(one) for one in question.exceptions])


class FrameworkControl(ResponseBody):
    """A control of a framework."""

    id: Annotated[str, doc("Identifier that auditors use.")]
    title: Annotated[str, doc("Short title.")]
    about: Annotated[str, doc("What the control requires.")]
    questions: list[FrameworkQuestion]

    @classmethod
    def of(cls, control: Control) -> "FrameworkControl":
        return cls(control.id, control.title, control.about, [FrameworkQuestion.of(one) for one in control.questions])


class FrameworkSource(ResponseBody):
    """A file that defines a framework."""

    name: Annotated[str, doc("Name of the file.")]
    sha256: Annotated[str, doc("SHA-256 of the file.")]


class FrameworkResponse(ResponseBody):
    """A compliance framework."""

    id: Annotated[str, doc("Id, as in a request for a report.")]
    title: Annotated[str, doc("Name of the framework.")]
    about: Annotated[str, doc("What the framework covers.")]
    controls: list[FrameworkControl]
    sources: list[FrameworkSource]

    @classmethod
    def of(cls, framework: Framework) -> "FrameworkResponse":
        return cls(
            id=framework.id,
            title=framework.title,
            about=framework.about,
            controls=[FrameworkControl.of(control) for control in framework.controls],
            sources=[FrameworkSource(name, digest) for name, digest in framework.sources],
        )


class FrameworksResponse(ResponseBody):
    """The compliance frameworks."""

    data: list[FrameworkResponse]
    problems: Annotated[list[str], doc("Files of the operator that cannot be used, with line and reason.")]


class ReportResponse(ResponseBody):
    """A compliance report. It is an export, so that exports end and delete it."""

    id: Annotated[str, doc("`exp_` and 26 characters.")]
    framework: Annotated[str, doc("Id of its framework.")]
    start: Annotated[str, doc("Start as requested.")]
    end: Annotated[str, doc("End as requested.")]
    tz: Annotated[str, doc("Time zone.")]
    position: LogSize
    status: Status
    gone: Gone
    progress: Progress
    rows: Annotated[int | None, doc("Number of events in the period.")]
    bytes: int | None
    sha256: Annotated[Sha256 | None, doc("SHA-256 of the content, as recorded in the audit log.")]
    error: Annotated[str | None, doc("Why the report failed.")]
    requested_by: PrincipalReference
    requested_at: Time
    finished_at: Time | None
    expires_at: Time | None

    @classmethod
    def of(cls, report: Export) -> "ReportResponse":
        request = reports.request_of(report)
        return cls(
            id=report.public_id,
            framework=request.framework,
            start=request.start,
            end=request.end,
            tz=request.tz,
            position=report.position,
            status=report.state,
            gone=report.gone or None,
            progress=report.progress / 1000,
            rows=report.rows,
            bytes=report.bytes,
            sha256=report.sha256 or None,
            error=report.error or None,
            requested_by=PrincipalReference.of(report.by),
            requested_at=rfc3339(report.asked_at),
            finished_at=optional_rfc3339(report.finished_at),
            expires_at=optional_rfc3339(report.expires_at),
        )


class ReportsResponse(ResponseBody):
    """Compliance reports, newest first."""

    data: list[ReportResponse]


class ReportContent(ResponseBody, forbid_unknown_fields=False):
    """The content of a compliance report: gaps first, then control by control."""

    format: Annotated[str, doc("`tallystick-report/v1`.")]
    gaps: list[dict[str, Any]]
    controls: list[dict[str, Any]]
    reviews: list[dict[str, Any]]


@get("/v1/frameworks", opt=operation("Compliance", "events:read"))
async def list_frameworks(request: Request[Any, Any, Any], services: ApiServices) -> Response[FrameworksResponse]:
    """List compliance frameworks.

    With their controls, questions and searches, and with what is wrong in files of the operator.
    """
    authorized = await authorize(request, services)
    known = await authorized.read(reports.list_frameworks, services.settings.compliance_dir)
    data = [FrameworkResponse.of(framework) for framework in known.frameworks.values()]
    return answer(FrameworksResponse(data, list(known.problems)))


@post(PATH, status_code=202, opt=_operation(body=ReportInput, problems=(404, 409)))
async def ask_report(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReportResponse]:
    """Start a compliance report.

    Covers a period of the log as it is now. The report is made in the background, as exports are.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ReportInput, "report", "bad_report")
    await authorized.read(services.exporter.check_space)
    wanted = ReportRequest(body.framework, body.start, body.end, body.tz)
    report = await authorized.write(
        reports.request_report, wanted, services.settings.compliance_dir, **authorized.context
    )
    services.exporter.wake()
    return answer(ReportResponse.of(report))


@get(PATH, opt=_operation(parameters=PARAMETERS, problems=(404,)))
async def list_reports(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReportsResponse]:
    """List compliance reports.

    Newest first.
    """
    authorized = await authorize(request, services)
    limit = authorized.parameters.integer("limit", 1, MOST_LISTED) or DEFAULT_LISTED
    before = authorized.parameters.single("before") or ""
    found = await authorized.read(reports.list_reports, limit=limit, before=before)
    return answer(ReportsResponse([ReportResponse.of(report) for report in found]))


@get(PATH + "/{id:str}", opt=_operation())
async def show_report(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReportResponse]:
    """Get a compliance report.

    Its status; the content is at `/content` and `/pdf`.
    """
    authorized = await authorize(request, services)
    return answer(ReportResponse.of(await authorized.read(reports.read_report, authorized.id)))


@get(PATH + "/{id:str}/content", opt=_operation(problems=(409,)))
async def read_report(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReportContent]:
    """Get the content of a compliance report."""
    authorized = await authorize(request, services)
    report, content = await _content(authorized, services, reports.read_content)
    headers = {**HEADERS, **file_headers(report)}
    untyped: Response[Any] = Response(content, media_type="application/json", headers=headers)
    return untyped


@get(PATH + "/{id:str}/pdf", opt=_operation(answer="The document.", media={PDF: FILE}, problems=(409,)))
async def print_report(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Get a compliance report as a PDF."""
    authorized = await authorize(request, services)
    report, content = await _content(
        authorized, services, lambda report, path: report_pdf(reports.load_report(report, path))
    )
    return Response(content, media_type=PDF, headers={**HEADERS, **_attachment(report, "pdf")})


@post(PATH + "/{id:str}/evidence", status_code=202, opt=_operation(problems=(409,)))
async def ask_evidence(request: Request[Any, Any, Any], services: ApiServices) -> Response[ExportResponse]:
    """Export the evidence of a compliance report.

    Starts an export: a bundle of the events that the report counts with their proofs, the report and its reviews.
    """
    authorized = await authorize(request, services)
    await authorized.read(services.exporter.check_space)
    export = await authorized.write(reports.request_evidence, authorized.id, **authorized.context)
    services.exporter.wake()
    return answer(ExportResponse.of(export))


async def _content(
    authorized: AuthorizedRequest, services: ApiServices, render: Callable[[Export, Path], bytes]
) -> tuple[Export, bytes]:
    """A finished report, and what `render` makes of it. The download is recorded before a byte leaves."""
    report = require_file(await authorized.read(reports.read_report, authorized.id))

    def take() -> bytes:
        content = render(report, services.exporter.path(report))
        services.exporter.begin_download(report, authorized.scope.principal, authorized.caller)
        return content

    return report, await authorized.run(services.pools.searches, take)


def _attachment(report: Export, suffix: str) -> dict[str, str]:
    """The header that names the file of a report."""
    framework = reports.request_of(report).framework
    return {"Content-Disposition": f'attachment; filename="report-{framework}-{report.public_id}.{suffix}"'}
