"""Compliance reports: which frameworks there are, asked for, read, taken with their evidence: /v1/reports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from tallystick.api.answers import HEADERS, answer
from tallystick.api.authorized_request import AuthorizedRequest, authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.export import shown as shown_export
from tallystick.compliance import reports
from tallystick.compliance.framework import Framework
from tallystick.compliance.reports import ReportRequest as Wanted
from tallystick.exports.links import file_headers
from tallystick.exports.request import Export, require_file
from tallystick.render.compliance_pdf import report_pdf

PATH = "/v1/reports"
LISTING = frozenset({"limit", "before"})


class ReportInput(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for: a framework and a period; dates in `tz`."""

    framework: str
    start: str
    end: str
    tz: str = "UTC"


@get("/v1/frameworks", name="api.list_frameworks")
async def list_frameworks(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The frameworks, their controls and questions, and what is wrong with files of the operator's own."""
    authorized = await authorize(request, services, "events:read")
    known = await authorized.read(reports.list_frameworks, services.settings.compliance_dir)
    data = [_framework(one) for one in known.frameworks.values()]
    return answer({"data": data, "problems": list(known.problems)})


@post(PATH, name="api.ask_report")
async def ask_report(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Lets a report be made."""
    authorized = await authorize(request, services, "exports")
    said = await authorized.body(ReportInput, "report", "bad_report")
    wanted = Wanted(said.framework, said.start, said.end, said.tz)
    one = await authorized.write(reports.request_report, wanted, services.settings.compliance_dir, **authorized.context)
    services.exporter.wake()
    return answer(shown(one), status=202)


@get(PATH, name="api.list_reports")
async def list_reports(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Those of the organization, newest first."""
    authorized = await authorize(request, services, "exports", LISTING)
    limit, before = authorized.parameters.whole("limit", 1, 1000) or 50, authorized.parameters.one("before") or ""
    found = await authorized.read(reports.list_reports, limit=limit, before=before)
    return answer({"data": [shown(one) for one in found]})


@get(PATH + "/{id:str}", name="api.show_report")
async def show_report(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """How it stands."""
    authorized = await authorize(request, services, "exports")
    return answer(shown(await authorized.read(reports.read_report, authorized.id)))


@get(PATH + "/{id:str}/content", name="api.read_report")
async def read_report(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The report itself, as JSON."""
    authorized = await authorize(request, services, "exports")
    one, content = await _taken(authorized, services, reports.read_content)
    return Response(content, media_type="application/json", headers={**HEADERS, **file_headers(one)})


@get(PATH + "/{id:str}/pdf", name="api.print_report")
async def print_report(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The report as a PDF."""
    authorized = await authorize(request, services, "exports")
    one, content = await _taken(authorized, services, lambda one, path: report_pdf(reports.load_report(one, path)))
    return Response(content, media_type="application/pdf", headers={**HEADERS, **attachment(one, "pdf")})


@post(PATH + "/{id:str}/evidence", name="api.ask_evidence", status_code=202)
async def ask_evidence(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Lets the events behind the report be bundled with it: an export."""
    authorized = await authorize(request, services, "exports")
    one = await authorized.write(reports.request_evidence, authorized.id, **authorized.context)
    services.exporter.wake()
    return answer(shown_export(one), status=202)


async def _taken(
    authorized: AuthorizedRequest, services: ApiServices, content: Callable[[Export, Path], bytes]
) -> tuple[Export, bytes]:
    """A report that is there and what is made of it; that it is taken is told before a byte leaves."""
    one = require_file(await authorized.read(reports.read_report, authorized.id))

    def take() -> bytes:
        made = content(one, services.exporter.path(one))
        services.exporter.begin_download(one, authorized.scope.principal, authorized.caller)
        return made

    return one, await authorized.run(take)


def attachment(one: Export, suffix: str) -> dict[str, str]:
    """What names a document made of a report."""
    asked = reports.request_of(one)
    return {"Content-Disposition": f'attachment; filename="report-{asked.framework}-{one.shown_id}.{suffix}"'}


def shown(one: Export) -> dict[str, object]:
    """A report as the API answers it."""
    asked = reports.request_of(one)
    more = {"framework": asked.framework, "start": asked.start, "end": asked.end, "tz": asked.tz}
    said = shown_export(one)
    return {"id": said.pop("id"), **more, **{name: said[name] for name in said if name not in ("format", "filter")}}


def _framework(one: Framework) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(one)
    made["sources"] = [{"name": name, "sha256": digest} for name, digest in one.sources]
    return made
