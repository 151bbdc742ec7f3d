"""Exports: asked for, looked at, downloaded, linked to, ended: /v1/exports."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.background_tasks import BackgroundTask
from litestar.response import File
from sqlalchemy import Connection

from tallystick import clock
from tallystick.access.audit import Caller
from tallystick.access.scopes import log_scope
from tallystick.api.answers import HEADERS, answer
from tallystick.api.authorization import caller_of
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.clock import SECOND_US, rfc3339
from tallystick.errors import BadRequest
from tallystick.exports import links
from tallystick.exports import request as exporting
from tallystick.exports.links import file_headers
from tallystick.exports.request import KINDS, Export
from tallystick.query.scope import Principal, Scope
from tallystick.search.filters import NAMES

DAY_SECONDS = 86_400
LEAST_LINK_SECONDS = 60
PATH = "/v1/exports"
LISTING = frozenset({"limit", "before"})


class ExportInput(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for: a format, and a filter in the names of finding events."""

    format: str
    filter: dict[str, str | list[str]] = {}


class LinkInput(msgspec.Struct, forbid_unknown_fields=True):
    """How long a link is good for, in seconds."""

    expires_in: int = DAY_SECONDS


@post(PATH, name="api.ask_export")
async def ask_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Lets an export be made."""
    authorized = await authorize(request, services, "exports")
    wanted = await authorized.body(ExportInput, "export", "bad_export")
    one = await authorized.write(exporting.request_export, wanted.format, _given(wanted), **authorized.context)
    services.exporter.wake()
    return answer(shown(one), status=202)


@get(PATH, name="api.list_exports")
async def list_exports(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Those of the organization, newest first."""
    authorized = await authorize(request, services, "exports", LISTING)
    limit, before = authorized.parameters.whole("limit", 1, 1000) or 50, authorized.parameters.one("before") or ""
    found = await authorized.read(exporting.list_exports, limit=limit, before=before)
    return answer({"data": [shown(one) for one in found]})


@get(PATH + "/{id:str}", name="api.show_export")
async def show_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """How it stands."""
    authorized = await authorize(request, services, "exports")
    return answer(shown(await authorized.read(exporting.find_export, authorized.id)))


@delete(PATH + "/{id:str}", name="api.end_export", status_code=200)
async def end_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Cancels it, or deletes its file. Doing it again changes nothing."""
    authorized = await authorize(request, services, "exports")
    one = await authorized.write(exporting.end_export, authorized.id, **authorized.context)
    await services.database.run(services.exporter.remove_ended_file, one)
    return answer(shown(one))


@get(PATH + "/{id:str}/download", name="api.download_export")
async def download_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The file."""
    authorized = await authorize(request, services, "exports")
    one = await authorized.read(exporting.find_downloadable, authorized.id)
    return await _file(services, one, authorized.scope.principal, authorized.caller)


@post(PATH + "/{id:str}/link", name="api.link_export", status_code=201)
async def link_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Makes a link that needs no key."""
    authorized = await authorize(request, services, "exports")
    wanted = await authorized.body(LinkInput, "link", "bad_export", empty=b"{}")
    one, until = await authorized.write(_link, authorized.id, wanted.expires_in, **authorized.context)
    token = links.make_link(services.settings.secret_key, one.org_id, one.export_id, until)
    url = f"{services.settings.public_url.rstrip('/')}/v1/export-links/{token}"
    return answer({"url": url, "expires_at": rfc3339(until)}, status=201)


@get("/v1/export-links/{token:str}", name="api.follow_link")
async def follow_link(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The file that a link leads to, for whoever has it."""
    caller = caller_of(request, services)
    services.public_reads.take(caller.address)

    def find() -> Export:
        token = request.path_params["token"]
        org_id, export_id = links.read_link(services.settings.secret_key, token, now=clock.now_us())
        with services.database.read() as connection:
            return exporting.find_linked(connection, org_id, export_id)

    one = await services.database.run(find)
    return await _file(services, one, log_scope(one.org_id).principal, caller)


async def _file(services: ApiServices, one: Export, by: Principal, caller: Caller) -> Response[Any]:
    await services.database.run(services.exporter.begin_download, one, by, caller)
    return File(
        path=services.exporter.path(one),
        media_type=KINDS[one.format].media_type,
        headers={**HEADERS, **file_headers(one)},
        background=BackgroundTask(services.database.run, services.exporter.finish_download, one),
    )


def shown(one: Export) -> dict[str, object]:
    """An export as the API answers it."""
    return {
        "id": one.shown_id,
        "format": one.format,
        "filter": {name: list(values) for name, values in one.filter.items()},
        "position": one.position,
        "status": one.state,
        "gone": one.gone or None,
        "progress": one.progress / 1000,
        "rows": one.rows,
        "bytes": one.bytes,
        "sha256": one.sha256 or None,
        "error": one.error or None,
        "requested_by": {"type": one.by.kind, "id": one.by.id, "name": one.by.name},
        "requested_at": rfc3339(one.asked_at),
        "finished_at": None if one.finished_at is None else rfc3339(one.finished_at),
        "expires_at": None if one.expires_at is None else rfc3339(one.expires_at),
    }


def _given(wanted: ExportInput) -> dict[str, list[str]]:
    unknown = sorted(set(wanted.filter) - set(NAMES))
    if unknown:
        raise BadRequest(
            f"There is no filter {unknown[0][:60]!r}: write {', '.join(NAMES)}.", code="bad_export", field="filter"
        )
    return {name: [value] if isinstance(value, str) else value for name, value in wanted.filter.items()}


def _link(
    connection: Connection, scope: Scope, shown_id: str, seconds: int, *, now: int, caller: Caller
) -> tuple[Export, int]:
    """The export, and until when a link to it is good."""
    one = exporting.find_downloadable(connection, scope, shown_id)
    most = ((one.expires_at or now) - now) // SECOND_US
    if not seconds >= LEAST_LINK_SECONDS:
        raise BadRequest(f"expires_in is {LEAST_LINK_SECONDS} or more.", code="bad_export", field="expires_in")
    until = now + min(seconds, most) * SECOND_US
    exporting.record_action(
        connection, one, "audit_log.export_linked", by=scope.principal, caller=caller, now=now,
        metadata={"expires_at": rfc3339(until)},
    )  # fmt: skip
    return one, until
