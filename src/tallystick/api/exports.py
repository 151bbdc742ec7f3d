"""Exports, their files and links to them: /v1/exports and /v1/export-links."""

from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.background_tasks import BackgroundTask
from litestar.response import File
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from tallystick import clock
from tallystick.access.audit import Caller
from tallystick.access.scopes import log_scope
from tallystick.api.answers import HEADERS, answer
from tallystick.api.authorization import caller_of
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import (
    Count,
    CsvColumnsField,
    CsvDialectField,
    FilterInput,
    LogSize,
    LostRanges,
    MissingRanges,
    PrincipalReference,
    RequestBody,
    ResponseBody,
    Sha256,
    StoredFilter,
    Time,
    doc,
)
from tallystick.api.operation import Schema, operation
from tallystick.api.query_parameters import DEFAULT_LISTED, MOST_LISTED
from tallystick.api.query_parameters import EXPORTS as PARAMETERS
from tallystick.clock import SECOND_US, optional_rfc3339, rfc3339
from tallystick.errors import BadRequest
from tallystick.exports import links
from tallystick.exports import request as export_request
from tallystick.exports.download import file_headers
from tallystick.exports.links import SharedLink
from tallystick.exports.request import KINDS, Export
from tallystick.query.scope import Principal, Scope
from tallystick.render.writers import FORMATS
from tallystick.search.filters import NAMES

DAY_SECONDS = 86_400
LEAST_LINK_SECONDS = 60
PATH = "/v1/exports"
STATUSES = ("queued", "running", "completed", "failed", "cancelled")
GONE = ("expired", "deleted", "erased", "lost")
FILE = {"type": "string", "format": "binary"}
_MEDIA_TYPES = [kind.media_type.partition(";")[0] for kind in KINDS.values()]


def _file_schema(media: str) -> Schema:
    if media == "application/json":
        return {}  # any document
    return {"type": "string"} if media.startswith(("text/", "application/x-ndjson")) else FILE


_FILES = {media: _file_schema(media) for media in _MEDIA_TYPES}
_FILE = "The file. `Repr-Digest` holds its SHA-256."
_operation = partial(operation, "Exports", "exports", serves_filtered=True)

Status = Annotated[str, doc("Status.", enum=list(STATUSES))]
LinkId = Annotated[str, doc("`lnk_` and 26 characters.")]
Gone = Annotated[
    str | None, doc("Why a completed export has no file any more; null while it has one.", enum=[*GONE, None])
]
Progress = Annotated[float, Meta(description="Completed part, 0 to 1.", ge=0, le=1)]


class ExportInput(RequestBody):
    """An export as requested."""

    format: Annotated[str, doc("Format of the file.", enum=list(FORMATS))]
    filter: FilterInput | UnsetType = UNSET
    columns: CsvColumnsField = "default"
    dialect: CsvDialectField = "standard"
    allow_missing: Annotated[
        bool,
        doc(
            "Export without the events that the event store lacks, instead of 409 `events_missing`. The last line of "
            'NDJSON, which is no event, then names them: `{"missing": [[3, 7]]}`.'
        ),
    ] = False

    def filter_values(self) -> dict[str, list[str]]:
        """The filter with lists as values; raises BadRequest (`bad_export`) for an unknown name."""
        given = {} if self.filter is UNSET else self.filter
        unknown = sorted(set(given) - set(NAMES))
        if unknown:
            raise BadRequest(
                f"Unknown filter {unknown[0][:60]!r}; known filters: {', '.join(NAMES)}.",
                code="bad_export",
                field="filter",
            )
        return {name: [value] if isinstance(value, str) else value for name, value in given.items()}


class ExportLinkInput(RequestBody):
    """For how long a link is valid."""

    expires_in: Annotated[int, doc("Seconds. The link expires no later than the file.", minimum=LEAST_LINK_SECONDS)] = (
        DAY_SECONDS
    )


class ExportResponse(ResponseBody):
    """An export of events."""

    id: Annotated[str, doc("`exp_` and 26 characters.")]
    format: Annotated[str, doc("Format of the file. Reports and their evidence are exports too.", enum=list(KINDS))]
    columns: CsvColumnsField
    dialect: CsvDialectField
    filter: StoredFilter
    position: LogSize
    status: Status
    gone: Gone
    progress: Progress
    rows: Count | None
    bytes: Count | None
    sha256: Annotated[Sha256 | None, doc("SHA-256 of the file.")]
    error: Annotated[str | None, doc("Why the export failed.")]
    requested_by: PrincipalReference
    requested_at: Time
    finished_at: Time | None
    expires_at: Annotated[Time | None, doc("When the file is deleted.")]
    missing: MissingRanges = UNSET
    lost: LostRanges = UNSET

    @classmethod
    def of(cls, export: Export) -> "ExportResponse":
        return cls(
            id=export.public_id,
            format=export.format,
            columns=export.layout.columns,
            dialect=export.layout.dialect,
            filter={name: list(values) for name, values in export.filter.items()},
            position=export.position,
            status=export.state,
            gone=export.gone or None,
            progress=export.progress / 1000,
            rows=export.rows,
            bytes=export.bytes,
            sha256=export.sha256 or None,
            error=export.error or None,
            requested_by=PrincipalReference.of(export.by),
            requested_at=rfc3339(export.asked_at),
            finished_at=optional_rfc3339(export.finished_at),
            expires_at=optional_rfc3339(export.expires_at),
            missing=msgspec.json.decode(export.missing) if export.missing else UNSET,
            lost=msgspec.json.decode(export.lost) if export.lost else UNSET,
        )


class ExportsResponse(ResponseBody):
    """Exports, newest first."""

    data: list[ExportResponse]


class ExportLinkResponse(ResponseBody):
    """A link to the file of an export."""

    id: LinkId
    url: Annotated[str, doc("Address of the file. Whoever has it can download the file without a key.")]
    expires_at: Time


class ListedLinkResponse(ResponseBody):
    """A link to the file of an export, without its address."""

    id: LinkId
    made_by: PrincipalReference
    made_at: Time
    recipient: Annotated[str | None, doc("Whom a scheduled export sent it to; null for a link that was asked for.")]
    expires_at: Time
    last_used_at: Time | None
    status: Annotated[
        str,
        doc(
            "`active`; `expired`; `ended` by somebody; `access_ended`: its maker or its recipient lost the access.",
            enum=["active", "expired", "ended", "access_ended"],
        ),
    ]
    ended_by: str | None
    ended_at: Time | None

    @classmethod
    def of(cls, link: SharedLink, status: str) -> "ListedLinkResponse":
        return cls(
            id=link.public_id,
            made_by=PrincipalReference.of(link.by),
            made_at=rfc3339(link.made_at),
            recipient=link.recipient or None,
            expires_at=rfc3339(link.expires_at),
            last_used_at=optional_rfc3339(link.last_used_at),
            status=status,
            ended_by=link.ended_by or None,
            ended_at=optional_rfc3339(link.ended_at),
        )


class ExportLinksResponse(ResponseBody):
    """Links to an export, newest first."""

    data: list[ListedLinkResponse]


@post(PATH, status_code=202, opt=_operation(body=ExportInput, problems=(409,)))
async def ask_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[ExportResponse]:
    """Start an export.

    Exports the events that the filter finds in the log as it is now, however many. The file is made in the
    background; organizations take turns.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ExportInput, "export", "bad_export")
    await authorized.read(services.exporter.check_space)
    layout = export_request.check_layout(body.format, body.columns, body.dialect, "bad_export")
    export = await authorized.write(
        export_request.request_export,
        body.format,
        body.filter_values(),
        layout=layout,
        allow_missing=body.allow_missing,
        **authorized.context,
    )
    services.exporter.wake()
    return answer(ExportResponse.of(export))


@get(PATH, opt=_operation(parameters=PARAMETERS, problems=(404,)))
async def list_exports(request: Request[Any, Any, Any], services: ApiServices) -> Response[ExportsResponse]:
    """List exports.

    Newest first, including failed ones and those whose file is gone.
    """
    authorized = await authorize(request, services)
    limit = authorized.parameters.integer("limit", 1, MOST_LISTED) or DEFAULT_LISTED
    before = authorized.parameters.single("before") or ""
    exports = await authorized.read(export_request.list_exports, limit=limit, before=before)
    return answer(ExportsResponse([ExportResponse.of(export) for export in exports]))


@get(PATH + "/{id:str}", opt=_operation())
async def show_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[ExportResponse]:
    """Get an export."""
    authorized = await authorize(request, services)
    return answer(ExportResponse.of(await authorized.read(export_request.find_export, authorized.id)))


@delete(PATH + "/{id:str}", status_code=200, opt=_operation(optional={"admin": "end an export of somebody else"}))
async def end_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[ExportResponse]:
    """Cancel an export or delete its file.

    Cancels an export that is not finished, and deletes the file of one that is. The export stays in the list.
    Repeating the request changes nothing.
    """
    authorized = await authorize(request, services)
    export = await authorized.write(export_request.end_export, authorized.id, **authorized.context)
    await services.database.run(services.exporter.remove_ended_file, export)
    return answer(ExportResponse.of(export))


@get(PATH + "/{id:str}/download", opt=_operation(answer=_FILE, media=_FILES, problems=(409,)))
async def download_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Download an export."""
    authorized = await authorize(request, services)
    export = await authorized.read(export_request.find_downloadable, authorized.id)
    return await _file(services, export, authorized.scope.principal, authorized.caller)


@post(PATH + "/{id:str}/link", opt=_operation(body=ExportLinkInput, problems=(409,)))
async def link_export(request: Request[Any, Any, Any], services: ApiServices) -> Response[ExportLinkResponse]:
    """Create a link to an export.

    Whoever has the link can download the file without a key. It ends when it expires, when somebody ends it, with the
    file, and when whoever made it loses the access to the file: a key that is revoked, expires or loses a scope.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ExportLinkInput, "link", "bad_export", empty=b"{}")
    link = await authorized.write(_link, authorized.id, body.expires_in, **authorized.context)
    token = links.token_of(services.settings.secret_keys, link)
    url = f"{services.settings.public_url.rstrip('/')}/v1/export-links/{token}"
    return answer(ExportLinkResponse(link.public_id, url, rfc3339(link.expires_at)))


@get(PATH + "/{id:str}/links", opt=_operation())
async def list_export_links(request: Request[Any, Any, Any], services: ApiServices) -> Response[ExportLinksResponse]:
    """List the links to an export.

    Newest first: who made each, when it expires and when it was last used. Links are listed for thirty days after they
    expired.
    """
    authorized = await authorize(request, services)
    return answer(await authorized.read(_links, authorized.id))


@delete(PATH + "/{id:str}/links/{link:str}", opt=_operation(optional={"admin": "end a link of somebody else"}))
async def end_export_link(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """End a link to an export.

    It stays in the list. Repeating the request changes nothing.
    """
    authorized = await authorize(request, services)
    await authorized.write(links.end_link, authorized.id, authorized.path("link"), **authorized.context)


@get("/v1/export-links/{token:str}", opt=operation("Exports", answer=_FILE, media=_FILES, problems=(409,)))
async def follow_export_link(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Download an export by its link.

    Takes no key. The download and its address are recorded.
    """
    # Unlike elsewhere, other query parameters are ignored: mail programs add their own to the links in a mail.
    caller = caller_of(request, services)
    services.public_reads.take(caller.address)

    def find() -> tuple[Export, SharedLink | None]:
        token = request.path_params["token"]
        with services.database.read() as connection:
            return links.follow(connection, services.settings.secret_keys, token, now=clock.now_us())

    export, link = await services.database.run(find)
    return await _file(services, export, log_scope(export.org_id).principal, caller, link)


async def _file(
    services: ApiServices, export: Export, by: Principal, caller: Caller, link: SharedLink | None = None
) -> Response[Any]:
    await services.database.run(services.exporter.begin_download, export, by, caller, link)
    return File(
        path=services.exporter.path(export),
        media_type=KINDS[export.format].media_type,
        headers={**HEADERS, **file_headers(export)},
        background=BackgroundTask(services.database.run, services.exporter.finish_download, export),
    )


def _link(
    connection: Connection, scope: Scope, public_id: str, seconds: int, *, now: int, caller: Caller
) -> SharedLink:
    """A new link that is valid for `seconds`, but not longer than the file is kept."""
    export = export_request.find_downloadable(connection, scope, public_id)
    most = ((export.expires_at or now) - now) // SECOND_US
    if not seconds >= LEAST_LINK_SECONDS:
        raise BadRequest(f"expires_in is {LEAST_LINK_SECONDS} or more.", code="bad_export", field="expires_in")
    until = now + min(seconds, most) * SECOND_US
    return links.make_link(connection, scope, export, until, now=now, caller=caller)


def _links(connection: Connection, scope: Scope, public_id: str) -> ExportLinksResponse:
    export, now = export_request.find_export(connection, scope, public_id), clock.now_us()
    found = links.list_links(connection, scope, public_id)
    return ExportLinksResponse(
        [ListedLinkResponse.of(link, links.state_of(connection, export, link, now)) for link in found]
    )
