"""Exports as they are requested, found, listed, cancelled and deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import require
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.exports.tables import exports
from tallystick.exports.words import describe_filter
from tallystick.journal.missing_ranges import format_missing, missing_within, refuse_missing
from tallystick.ledger import log as ledger_log
from tallystick.query.scope import Principal, Scope
from tallystick.render.csv_lines import COLUMNS, DIALECTS, STANDARD, CsvLayout, csv_layout
from tallystick.render.writers import FORMATS, FileFormat
from tallystick.search.filters import NAMES, query_from

PREFIX = "exp"
MAX_WAITING = 200
MAX_WAITING_OF_ONE = 120  # person or key; the exports of schedules count as their creator's
MAX_FILTER = 20_000
MAX_LISTED = 200
State = Literal["queued", "running", "completed", "failed", "cancelled"]
OPEN = ("queued", "running")
# Built by functions that the exporter is given (`builders`); they cannot be requested as a format.
OTHERS: dict[str, FileFormat] = {
    "report": FileFormat("Report", "json", "application/json", False),
    "evidence": FileFormat("Evidence", "zip", "application/zip", False),
}
KINDS: dict[str, FileFormat] = FORMATS | OTHERS
COMPLETED_ACTIONS = {"report": "audit_log.report_generated"}
EXPORTED = "audit_log.exported"


@dataclass(frozen=True, slots=True)
class Export:
    """An export of the events with first ≤ index < position. Times in µs since 1970, `progress` in thousandths.

    `gone` says why a completed export has no file any more: expired, deleted, erased or lost.
    """

    org_id: UUID
    export_id: UUID
    format: str
    layout: CsvLayout
    filter: Mapping[str, Sequence[str]]
    first: int
    position: int
    state: State
    gone: str
    run: int
    progress: int
    rows: int | None
    bytes: int | None
    sha256: str
    ranges: str
    allow_missing: bool
    missing: str
    lost: str
    error: str
    by: Principal
    role: str
    view: str  # a digest of the requester's filter at that time
    address: str
    source: Literal["", "web", "api", "cli"]
    asked_at: int
    finished_at: int | None
    expires_at: int | None

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.export_id.bytes)

    @property
    def has_file(self) -> bool:
        """Whether the file can be downloaded."""
        return self.state == "completed" and not self.gone

    @property
    def missing_text(self) -> str:
        """The ranges of indexes whose events the file may lack; empty if there are none."""
        return format_missing(msgspec.json.decode(self.missing)) if self.missing else ""

    @property
    def lost_text(self) -> str:
        """The ranges of indexes whose events are lost for good, and so not in the file; empty if there are none."""
        return format_missing(msgspec.json.decode(self.lost)) if self.lost else ""

    @property
    def is_open(self) -> bool:
        """Whether it is queued or running."""
        return self.state in OPEN


def request_export(
    connection: Connection,
    scope: Scope,
    kind: str,
    given: Mapping[str, Sequence[str]],
    *,
    now: int,
    caller: Caller = NOWHERE,
    first: int = 0,
    layout: CsvLayout = STANDARD,
    allow_missing: bool = False,
) -> Export:
    """Request an export of the events that the filter finds in the log as it is now, from index `first` on.

    Unless `allow_missing`, it is refused where the event store lacks events that may belong to it.
    Raises BadRequest (`bad_export`, or the code of a mistake in the filter), Conflict (`too_many_exports`,
    `events_missing`), Forbidden.
    """
    require(scope, "exports")
    if kind not in FORMATS:
        known = ", ".join(FORMATS)
        raise BadRequest(f"Unknown format {kind[:40]!r}. Choose one of {known}.", code="bad_export", field="format")
    kept = {name: list(given[name]) for name in NAMES if given.get(name)}
    text = _filter_text(kept)
    query = query_from(kept, now=now)
    if not allow_missing:
        refuse_missing(missing_within(connection, scope, first=first, start=query.start))
    return queue_export(
        connection, scope, kind, text, now=now, caller=caller, first=first, layout=layout, allow_missing=allow_missing
    )


def check_layout(kind: str, columns: str, dialect: str, code: str) -> CsvLayout:
    """The layout of a CSV file, which other formats do not have; raises BadRequest with `code`."""
    for field, value, choices in (("columns", columns, COLUMNS), ("dialect", dialect, DIALECTS)):
        if value not in choices:
            raise BadRequest(f"{field} must be one of {', '.join(choices)}.", code=code, field=field)
        if kind != "csv" and value != choices[0]:
            raise BadRequest(f"{field} belongs to the format csv. Leave it out, or choose csv.", code=code, field=field)
    return csv_layout(columns, dialect)


def queue_export(
    connection: Connection,
    scope: Scope,
    kind: str,
    text: str,
    *,
    now: int,
    caller: Caller = NOWHERE,
    first: int = 0,
    layout: CsvLayout = STANDARD,
    allow_missing: bool = False,
) -> Export:
    """Queue an export of one of KINDS; `text` is its filter as JSON, which the caller has checked.

    Raises Conflict (`too_many_exports`), Forbidden.
    """
    require(scope, "exports")
    organizations.lock_row(connection, scope.org_id)
    who = scope.principal
    waiting = (exports.c.org_id == scope.org_id) & exports.c.state.in_(OPEN)
    for of_whom, limit in ((waiting, MAX_WAITING), (waiting & (exports.c.by_id == who.id), MAX_WAITING_OF_ONE)):
        if connection.execute(select(func.count()).select_from(exports).where(of_whom)).scalar_one() >= limit:
            raise Conflict(f"{limit:,} exports are already waiting. Cancel some first.", code="too_many_exports")
    export_id = ids.new_uuid(now)
    connection.execute(
        insert(exports).values(
            org_id=scope.org_id,
            export_id=export_id,
            format=kind,
            columns=layout.columns,
            dialect=layout.dialect,
            filter=text,
            first=first,
            position=ledger_log.read(connection, scope.org_id).size,
            state="queued",
            gone="",
            run=0,
            progress=0,
            sha256="",
            ranges="",
            allow_missing=allow_missing,
            missing="",
            lost="",
            error="",
            by_kind=who.kind,
            by_id=who.id,
            by_name=who.name[:254],
            by_email=who.email,
            by_role=scope.role,
            view=scope.view,
            address=caller.address,
            source=caller.source,
            asked_at=now,
        )
    )
    return _find(connection, scope, export_id)


def list_exports(
    connection: Connection, scope: Scope, *, limit: int = MAX_LISTED, before: str = "", kind: str = ""
) -> list[Export]:
    """The exports that the scope may see, newest first, of all kinds or one; older than `before`, if given."""
    require(scope, "exports")
    wanted = [_visible(scope)]
    if before:
        wanted.append(exports.c.export_id < _parse_id(before))
    if kind:
        wanted.append(exports.c.format == kind)
    rows = connection.execute(select(exports).where(*wanted).order_by(exports.c.export_id.desc()).limit(limit))
    return [export_of(row) for row in rows]


def find_export(connection: Connection, scope: Scope, public_id: str) -> Export:
    """The export with this id; NotFound (`no_export`), also for one that the scope may not see."""
    require(scope, "exports")
    return _find(connection, scope, _parse_id(public_id))


def end_export(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> Export:
    """Cancel an unfinished export, or delete the file of a finished one; it stays in the list.

    The worker deletes the file itself. Forbidden (`not_your_export`) for another person's export without `admin`.
    """
    one = find_export(connection, scope, public_id)
    if one.by.id != scope.principal.id and "admin" not in scope.permissions:
        raise Forbidden("This export belongs to someone else. Ask an owner or admin.", code="not_your_export")
    mine = is_export(one.org_id, one.export_id)
    if one.is_open:
        values: dict[str, Any] = {"state": "cancelled", "finished_at": now}
        action = "audit_log.export_cancelled"
        changed = connection.execute(update(exports).where(mine, exports.c.state.in_(OPEN)).values(values))
    else:
        action = "audit_log.export_deleted"
        values = {"gone": "deleted"}
        there = (exports.c.state == "completed") & (exports.c.gone == "")
        changed = connection.execute(update(exports).where(mine, there).values(values))
    if changed.rowcount:
        record_action(connection, one, action, by=scope.principal, caller=caller, now=now)
    return _find(connection, scope, one.export_id)


def find_downloadable(connection: Connection, scope: Scope, public_id: str) -> Export:
    """An export whose file can be downloaded; Conflict (`export_not_ready`), NotFound (`no_export`, `export_gone`)."""
    return require_file(find_export(connection, scope, public_id))


def require_file(one: Export) -> Export:
    """Return the export if it has a file; Conflict (`export_not_ready`), NotFound (`export_gone`)."""
    if one.state in OPEN:
        raise Conflict("This export is not finished yet. Try again in a moment.", code="export_not_ready")
    if not one.has_file:
        raise NotFound(_missing_reason(one), code="export_gone")
    return one


def record_action(
    connection: Connection,
    one: Export,
    action: str,
    *,
    by: Principal,
    now: int,
    caller: Caller = NOWHERE,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Record an action on an export in the trail."""
    on = resource("export", one.export_id, PREFIX, f"{KINDS[one.format].words}: {describe_filter(one.filter)}"[:200])
    described = {"format": one.format, "filter": {name: list(values) for name, values in one.filter.items()}}
    if one.layout != STANDARD:
        described |= {"columns": one.layout.columns, "dialect": one.layout.dialect}
    more = {"position": one.position, **({"first": one.first} if one.first else {}), **(metadata or {})}
    record_own(connection, one.org_id, action, by=by, caller=caller, on=on, now=now, metadata=described | more)


def is_export(org_id: UUID, export_id: UUID) -> ColumnElement[bool]:
    """The SQL condition for one export's row."""
    return (exports.c.org_id == org_id) & (exports.c.export_id == export_id)


def export_of(row: Row[Any]) -> Export:
    """The export of a row."""
    return Export(
        row.org_id,
        row.export_id,
        row.format,
        csv_layout(row.columns, row.dialect),
        msgspec.json.decode(row.filter),
        row.first,
        row.position,
        row.state,
        row.gone,
        row.run,
        row.progress,
        row.rows,
        row.bytes,
        row.sha256,
        row.ranges,
        row.allow_missing,
        row.missing,
        row.lost,
        row.error,
        Principal(row.by_kind, row.by_id, row.by_name, row.by_email),
        row.by_role,
        row.view,
        row.address,
        row.source,
        row.asked_at,
        row.finished_at,
        row.expires_at,
    )


def _filter_text(kept: Mapping[str, Sequence[str]]) -> str:
    text = msgspec.json.encode(kept).decode()
    if len(text) > MAX_FILTER:
        raise BadRequest(f"A filter can have at most {MAX_FILTER} characters.", code="bad_export", field="filter")
    return text


def _missing_reason(one: Export) -> str:
    if one.state != "completed":
        return f"This export {'was cancelled' if one.state == 'cancelled' else 'failed'}: there is no file."
    return {
        "expired": "The file has expired. Export again.",
        "erased": "The file was deleted because personal data was erased. Export again.",
        "lost": "The file is missing because this server was restored without it. Export again.",
    }.get(one.gone, "The file was deleted. Export again.")


def _visible(scope: Scope) -> ColumnElement[bool]:
    """The exports that the scope may see: all of the organization; with a filter, its own of that role and filter."""
    mine = exports.c.org_id == scope.org_id
    if not scope.is_filtered:
        return mine
    who = scope.principal
    return mine & (exports.c.by_id == who.id) & (exports.c.by_role == scope.role) & (exports.c.view == scope.view)


def _find(connection: Connection, scope: Scope, export_id: UUID) -> Export:
    row = connection.execute(select(exports).where(_visible(scope), exports.c.export_id == export_id)).first()
    if row is None:
        raise _no_export()
    return export_of(row)


def _parse_id(public_id: str) -> UUID:
    try:
        return ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _no_export() from None


def _no_export() -> NotFound:
    return NotFound("Export not found, or you do not have access to it.", code="no_export")
