"""Requests, lists and reads compliance reports. A report is an export: built in the background, kept for a week."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.scopes import require, require_whole_trail
from tallystick.compliance.framework import Frameworks, find_framework, load_frameworks
from tallystick.errors import BadRequest, Conflict, NotFound
from tallystick.exports import request as exports
from tallystick.exports.request import Export
from tallystick.query.scope import Scope
from tallystick.render.compliance_report import ComplianceReport, parse_report
from tallystick.search.filters import query_from

REPORT, EVIDENCE = "report", "evidence"
FRAMEWORK = "framework"
MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What a report is requested for: the id of a framework, and a period in the syntax of query parameters."""

    framework: str
    start: str
    end: str
    tz: str = "UTC"

    @property
    def period(self) -> dict[str, Sequence[str]]:
        return {"start": [self.start], "end": [self.end], "tz": [self.tz or "UTC"]}


def list_frameworks(connection: Connection, scope: Scope, folder: Path | None) -> Frameworks:
    """Lists the frameworks that an organization can use, and the files that cannot be used."""
    require_whole_trail(scope)
    require(scope, "events:read")
    return load_frameworks(folder, organizations.of_scope(connection, scope).slug)


def request_report(
    connection: Connection,
    scope: Scope,
    request: ReportRequest,
    folder: Path | None,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Export:
    """Requests a report of the log as it is now.

    Raises NotFound (`no_framework`), BadRequest (`bad_report`, `bad_parameter`), Conflict (`too_many_exports`).
    """
    require(scope, "exports")
    find_framework(list_frameworks(connection, scope, folder), request.framework)
    if not request.start.strip() or not request.end.strip():
        raise BadRequest("A report needs a period: give its start and end.", code="bad_report", field="start")
    query = query_from(request.period, now=now)
    if query.start is None or query.end is None or query.start >= now or query.start == query.end:
        detail = "This period has not started yet." if query.start != query.end else "This period is empty."
        raise BadRequest(detail, code="bad_report", field="start")
    text = msgspec.json.encode({FRAMEWORK: [request.framework], **request.period}).decode()
    return exports.queue_export(connection, scope, REPORT, text, now=now, caller=caller)


def request_evidence(
    connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE
) -> Export:
    """Requests a bundle of a finished report and the events behind it.

    Raises Conflict (`export_not_ready`), NotFound (`no_report`).
    """
    report = read_report(connection, scope, public_id)
    exports.require_file(report)
    filter_text = msgspec.json.encode({**dict(report.filter), REPORT: [report.public_id]}).decode()
    return exports.queue_export(connection, scope, EVIDENCE, filter_text, now=now, caller=caller)


def list_reports(connection: Connection, scope: Scope, *, limit: int = MOST_LISTED, before: str = "") -> list[Export]:
    """Lists the organization's reports, newest first; `before` is the id of the last report of the previous page."""
    require_whole_trail(scope)
    return exports.list_exports(connection, scope, limit=limit, before=before, kind=REPORT)


def read_report(connection: Connection, scope: Scope, public_id: str) -> Export:
    """Returns a report's export with its state; NotFound (`no_report`)."""
    require_whole_trail(scope)
    try:
        export = exports.find_export(connection, scope, public_id)
    except NotFound:
        raise _not_found() from None
    if export.format != REPORT:
        raise _not_found()
    return export


def read_content(export: Export, path: Path) -> bytes:
    """Reads a finished report as JSON. Raises Conflict (`export_not_ready`), NotFound (`export_gone`). Blocks."""
    exports.require_file(export)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound("The report's file is missing. Create the report again.", code="export_gone") from None


def load_report(export: Export, path: Path) -> ComplianceReport:
    """Reads and parses a finished report. Raises as `read_content`, and Conflict (`report_outdated`) for a report of
    another version. Blocks."""
    try:
        return parse_report(read_content(export, path))
    except msgspec.DecodeError:
        raise Conflict("This report was created by another version. Create it again.", code="report_outdated") from None


def request_of(export: Export) -> ReportRequest:
    """Returns the request that a report was built for."""
    given: Mapping[str, Sequence[str]] = export.filter
    return ReportRequest(*("".join(given.get(name, ())[:1]) for name in (FRAMEWORK, "start", "end", "tz")))


def _not_found() -> NotFound:
    return NotFound("Report not found, or you do not have access to it.", code="no_report")
