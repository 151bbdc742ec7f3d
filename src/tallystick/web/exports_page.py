"""The Exports page: lists, requests, downloads and cancels exports."""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from urllib.parse import parse_qsl

from litestar import Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.response import File
from sqlalchemy import Connection

from tallystick.access.csrf import form_token
from tallystick.clock import now_us, second_words
from tallystick.database.engine import Database
from tallystick.errors import BadRequest
from tallystick.exports import links
from tallystick.exports import request as exporting
from tallystick.exports.download import file_headers
from tallystick.exports.links import SharedLink
from tallystick.exports.request import KINDS, Export
from tallystick.exports.words import describe_filter, describe_period
from tallystick.query.scope import Scope
from tallystick.render.csv_lines import STANDARD
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    CallerDep,
    DatabaseDep,
    ExporterDep,
    FrameDep,
    SessionTokenDep,
    UserScopeDep,
    WebRequest,
)
from tallystick.web.filters import read_filters
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.schedules_page import schedule_rows
from tallystick.web.templating import html, redirect

PATH = "/exports"
SHOWN = 50
UNITS = ("bytes", "kB", "MB", "GB", "TB")
STATE_LABELS = {"queued": "Waiting", "running": "In progress", "failed": "Failed", "cancelled": "Cancelled"}
LINK_LABELS = {
    "active": "works",
    "expired": "expired",
    "ended": "ended",
    "access_ended": "does not work: its maker or recipient lost the access",
}
REMOVAL_LABELS = {
    "expired": "Expired",
    "deleted": "Deleted",
    "erased": "Deleted because personal data was erased",
    "lost": "Missing: this server was restored without it",
}


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link to an export as the page lists it: who made it, its state in words, and its times."""

    link: SharedLink
    by: str
    state: str
    expires: str
    used: str
    may_end: bool


@dataclass(frozen=True, slots=True)
class ExportRow:
    """An export of the list. `tone` is the CSS class of its state: good, bad, busy or gone."""

    export: Export
    words: str
    period: str
    format: str
    size: str
    requested: str
    until: str
    by: str
    state: str
    tone: str
    percent: int
    may_end: bool
    links: tuple[LinkRow, ...]


@get(PATH, name="web.exports", opt=EVERY_ROLE)
async def show_exports(
    request: WebRequest,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    session_token: SessionTokenDep,
) -> Response[str]:
    """The Exports page."""
    values = await _list_values(request, user_scope, database, session_token)
    schedules = await schedule_rows(database, user_scope, filters_of(request).zone)
    return html(
        "exports.html",
        frame=frame.at("exports"),
        is_member=user_scope.role == "member",
        role=user_scope.role,
        schedules=schedules,
        **values,
    )


@get(f"{PATH}/list", name="web.exports.list", opt=EVERY_ROLE)
async def show_list(
    request: WebRequest, user_scope: UserScopeDep, database: DatabaseDep, session_token: SessionTokenDep
) -> Response[str]:
    """The list of exports as a fragment, while one is in progress."""
    return html("exports_list.html", **await _list_values(request, user_scope, database, session_token))


@post(PATH, name="web.exports.ask", status_code=303, opt=EVERY_ROLE)
async def request_export(form_request: FormRequestDep, exporter: ExporterDep) -> Response[str]:
    """Requests an export of the list that `query` describes."""
    filters = read_filters(parse_qsl(form_request.text("query")))
    kind, layout = form_request.text("format"), STANDARD
    if kind == "csv":  # the menu sends its choices for CSV with every format
        columns, dialect = form_request.text("columns") or "default", form_request.text("dialect") or "standard"
        layout = exporting.check_layout(kind, columns, dialect, "bad_export")
    await form_request.read(exporter.check_space)
    await form_request.write(
        exporting.request_export,
        kind,
        filters.parameters(now_us()),
        layout=layout,
        allow_missing=form_request.text("allow_missing") == "true",
        **form_request.context,
    )
    exporter.wake()
    return redirect(PATH + (f"?tz={filters.zone_name}" if filters.zone_name != "UTC" else ""))


@post(PATH + "/{export_id:str}", name="web.exports.end", status_code=303, opt=EVERY_ROLE)
async def end_export(export_id: str, form_request: FormRequestDep, exporter: ExporterDep) -> Response[str]:
    """Cancels an export, or deletes its file."""
    if form_request.text("act") != "end":
        raise BadRequest("An export takes the act end.", code="bad_parameter", parameter="act")

    export = await form_request.write(exporting.end_export, export_id, **form_request.context)
    await form_request.database.run(exporter.remove_ended_file, export)
    return redirect(PATH)


@post(PATH + "/{export_id:str}/links/{link_id:str}", name="web.exports.end_link", status_code=303, opt=EVERY_ROLE)
async def end_export_link(export_id: str, link_id: str, form_request: FormRequestDep) -> Response[str]:
    """Ends a link to an export."""
    await form_request.write(links.end_link, export_id, link_id, **form_request.context)
    return redirect(f"{PATH}#{export_id}")


@get(PATH + "/{export_id:str}/download", name="web.exports.download", opt=EVERY_ROLE)
async def download_export(
    export_id: str, user_scope: UserScopeDep, caller: CallerDep, database: DatabaseDep, exporter: ExporterDep
) -> File:
    """The file of an export; the download is recorded."""

    def take() -> Export:
        with database.read() as connection:
            export = exporting.find_downloadable(connection, user_scope, export_id)
        exporter.begin_download(export, user_scope.principal, caller)
        return export

    export = await database.run(take)
    return File(
        path=exporter.path(export),
        media_type=KINDS[export.format].media_type,
        headers=file_headers(export),
        background=BackgroundTask(database.run, exporter.finish_download, export),
    )


async def _list_values(request: WebRequest, scope: Scope, database: Database, token: str) -> dict[str, Any]:
    filters = filters_of(request)
    before = request.query_params.get("before", "")

    def load() -> tuple[list[Export], list[ExportRow]]:
        with database.read() as connection:
            exports = exporting.list_exports(connection, scope, limit=SHOWN + 1, before=before)
            shown = exports[:SHOWN]
            found = links.links_of(connection, [export for export in shown if export.has_file])
            return exports, [
                _export_row(
                    export,
                    scope,
                    filters.zone,
                    tuple(
                        _link_row(connection, scope, export, link, filters.zone)
                        for link in found
                        if link.export_id == export.export_id
                    ),
                )
                for export in shown
            ]

    exports, rows = await database.run(load)
    return {
        "exports": rows,
        "more": exports[SHOWN - 1].public_id if len(exports) > SHOWN else "",
        "before": before,
        "tz": filters.tz,
        "is_busy": any(export.is_open for export in exports),
        "form_token": form_token(token),
    }


def _link_row(connection: Connection, scope: Scope, export: Export, link: SharedLink, zone: tzinfo) -> LinkRow:
    state = links.state_of(connection, export, link, now_us())
    return LinkRow(
        link=link,
        by=link.by.label,
        state=LINK_LABELS[state],
        expires=second_words(link.expires_at, zone)[:16],
        used=second_words(link.last_used_at, zone)[:16],
        may_end=state in ("active", "access_ended") and links.may_end(scope, export, link),
    )


def _export_row(export: Export, scope: Scope, zone: tzinfo, links_of: tuple[LinkRow, ...]) -> ExportRow:
    state, tone = (
        STATE_LABELS.get(export.state, "Ready"),
        {"failed": "bad", "cancelled": "gone"}.get(export.state, "busy"),
    )
    if export.state == "completed":
        state, tone = (
            (REMOVAL_LABELS.get(export.gone, "No longer available"), "gone") if export.gone else ("Ready", "good")
        )
    return ExportRow(
        export=export,
        words=describe_filter(export.filter),
        period=describe_period(export.filter, export.first),
        format=KINDS[export.format].words,
        size=size_text(export.bytes or 0),
        requested=second_words(export.asked_at, zone),
        until=second_words(export.expires_at or 0, zone)[:16],
        by=export.by.label,
        state=state,
        tone=tone,
        percent=export.progress // 10,
        may_end=(export.is_open or export.has_file)
        and (export.by.id == scope.principal.id or "admin" in scope.permissions),
        links=links_of,
    )


def size_text(count: int) -> str:
    """A number of bytes, for people."""
    size, power = float(count), 0
    while size >= 1000 and power < len(UNITS) - 1:
        size, power = size / 1000, power + 1
    return f"{size:,.1f} {UNITS[power]}" if power else f"{count} bytes"
