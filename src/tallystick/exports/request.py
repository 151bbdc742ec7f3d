"""Asking for an export, looking at it, taking it, cancelling and deleting it."""

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
from tallystick.exports.words import filter_words
from tallystick.ledger import log as ledger_log
from tallystick.query.conditions import EVERYTHING
from tallystick.query.scope import Principal, Scope
from tallystick.render.writers import FORMATS, Format
from tallystick.search.filters import NAMES, query_from

PREFIX = "exp"
MOST_WAITING = 1000
MOST_FILTER = 20_000
MOST_LISTED = 200
State = Literal["queued", "running", "completed", "failed", "cancelled"]
OPEN = ("queued", "running")
# Made by whoever the exporter was given for it, not asked for as a format.
OTHERS: dict[str, Format] = {
    "report": Format("Report", "json", "application/json", False),
    "evidence": Format("Evidence", "zip", "application/zip", False),
}
KINDS: dict[str, Format] = FORMATS | OTHERS
TOLD_AS = {"report": "audit_log.report_generated"}
EXPORTED = "audit_log.exported"


@dataclass(frozen=True, slots=True)
class Export:
    """One export of first ≤ index < position.

    `gone` says why the file of a completed one is not there any more: expired, deleted, erased, lost.
    """

    org_id: UUID
    export_id: UUID
    format: str
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
    error: str
    by: Principal
    role: str
    address: str
    source: Literal["", "web", "api", "cli"]
    asked_at: int
    finished_at: int | None
    expires_at: int | None

    @property
    def shown_id(self) -> str:
        return ids.encode(PREFIX, self.export_id.bytes)

    @property
    def is_there(self) -> bool:
        """There is a file to take."""
        return self.state == "completed" and not self.gone

    @property
    def is_open(self) -> bool:
        """It waits or is being made."""
        return self.state in OPEN


def ask(
    connection: Connection,
    scope: Scope,
    kind: str,
    given: Mapping[str, Sequence[str]],
    *,
    now: int,
    caller: Caller = NOWHERE,
    first: int = 0,
) -> Export:
    """Let an export be made of what the filter finds in the log as it is now, from index `first` on.

    Raises BadRequest (`bad_export`, and what a filter can have wrong), Conflict (`too_many_exports`), Forbidden.
    """
    require(scope, "exports")
    if kind not in FORMATS:
        known = ", ".join(FORMATS)
        raise BadRequest(f"Unknown format {kind[:40]!r}. Choose one of {known}.", code="bad_export", field="format")
    kept = {name: list(given[name]) for name in NAMES if given.get(name)}
    text = _filter_text(kept)
    query_from(kept, now=now)
    return put(connection, scope, kind, text, now=now, caller=caller, first=first)


def put(
    connection: Connection,
    scope: Scope,
    kind: str,
    text: str,
    *,
    now: int,
    caller: Caller = NOWHERE,
    first: int = 0,
) -> Export:
    """Let one of KINDS be made; `text` is its filter as JSON, checked by whoever calls. Conflict as `ask` says."""
    require(scope, "exports")
    organizations.lock_row(connection, scope.org_id)
    waiting = exports.c.state.in_(OPEN)
    number = select(func.count()).select_from(exports).where(exports.c.org_id == scope.org_id, waiting)
    if connection.execute(number).scalar_one() >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING:,} exports are already waiting. Cancel some first.", code="too_many_exports")
    export_id = ids.new_uuid(now)
    who = scope.principal
    connection.execute(
        insert(exports).values(
            org_id=scope.org_id, export_id=export_id, format=kind, filter=text, first=first,
            position=ledger_log.read(connection, scope.org_id).size, state="queued", gone="", run=0, progress=0,
            sha256="", ranges="", error="", by_kind=who.kind, by_id=who.id, by_name=who.name[:254],
            by_email=who.email, by_role=scope.role, address=caller.address, source=caller.source, asked_at=now,
        )
    )  # fmt: skip
    return _found(connection, scope, export_id)


def list_exports(
    connection: Connection, scope: Scope, *, limit: int = MOST_LISTED, before: str = "", kind: str = ""
) -> list[Export]:
    """What the scope may see, newest first, of all kinds or one; with `before` those older than that one."""
    require(scope, "exports")
    wanted = [_visible(scope)]
    if before:
        wanted.append(exports.c.export_id < _raw(before))
    if kind:
        wanted.append(exports.c.format == kind)
    rows = connection.execute(select(exports).where(*wanted).order_by(exports.c.export_id.desc()).limit(limit))
    return [read(row) for row in rows]


def show(connection: Connection, scope: Scope, shown_id: str) -> Export:
    """One export; NotFound (`no_export`) for those of others."""
    require(scope, "exports")
    return _found(connection, scope, _raw(shown_id))


def end(connection: Connection, scope: Scope, shown_id: str, *, now: int, caller: Caller = NOWHERE) -> Export:
    """Cancel one that is not finished, delete the file of one that is; what happened before stays in the list.

    The file itself goes with the worker's next look. Forbidden (`not_your_export`) for others' without `admin`.
    """
    one = show(connection, scope, shown_id)
    if one.by.id != scope.principal.id and "admin" not in scope.permissions:
        raise Forbidden("This export belongs to someone else. Ask an owner or admin.", code="not_your_export")
    mine = is_one(one.org_id, one.export_id)
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
        tell_of(connection, one, action, by=scope.principal, caller=caller, now=now)
    return _found(connection, scope, one.export_id)


def to_take(connection: Connection, scope: Scope, shown_id: str) -> Export:
    """One whose file can be taken; Conflict (`export_not_ready`), NotFound (`export_gone`)."""
    return checked(show(connection, scope, shown_id))


def linked(connection: Connection, org_id: UUID, export_id: UUID) -> Export:
    """What a signed link leads to: whoever made it was allowed to give this export away."""
    row = connection.execute(select(exports).where(is_one(org_id, export_id))).first()
    if row is None:
        raise _no_export()
    return checked(read(row))


def checked(one: Export) -> Export:
    """The same, unless there is no file to take."""
    if one.state in OPEN:
        raise Conflict("This export is not finished yet. Try again in a moment.", code="export_not_ready")
    if not one.is_there:
        raise NotFound(_why_gone(one), code="export_gone")
    return one


def tell_of(
    connection: Connection,
    one: Export,
    action: str,
    *,
    by: Principal,
    now: int,
    caller: Caller = NOWHERE,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write what happened to an export to the outbox."""
    on = resource("export", one.export_id, PREFIX, f"{KINDS[one.format].words}: {filter_words(one.filter)}"[:200])
    said = {"format": one.format, "filter": {name: list(values) for name, values in one.filter.items()}}
    more = {"position": one.position, **({"first": one.first} if one.first else {}), **(metadata or {})}
    record_own(connection, one.org_id, action, by=by, caller=caller, on=on, now=now, metadata=said | more)


def is_one(org_id: UUID, export_id: UUID) -> ColumnElement[bool]:
    """The row of one export."""
    return (exports.c.org_id == org_id) & (exports.c.export_id == export_id)


def read(row: Row[Any]) -> Export:
    """A row as it is used."""
    return Export(
        row.org_id, row.export_id, row.format, msgspec.json.decode(row.filter), row.first, row.position, row.state,
        row.gone, row.run, row.progress, row.rows, row.bytes, row.sha256, row.ranges, row.error,
        Principal(row.by_kind, row.by_id, row.by_name, row.by_email), row.by_role, row.address, row.source,
        row.asked_at, row.finished_at, row.expires_at,
    )  # fmt: skip


def _filter_text(kept: Mapping[str, Sequence[str]]) -> str:
    text = msgspec.json.encode(kept).decode()
    if len(text) > MOST_FILTER:
        raise BadRequest(f"A filter can have at most {MOST_FILTER} characters.", code="bad_export", field="filter")
    return text


def _why_gone(one: Export) -> str:
    if one.state != "completed":
        return f"This export {'was cancelled' if one.state == 'cancelled' else 'failed'}: there is no file."
    return {
        "expired": "The file has expired. Export again.",
        "erased": "The file was deleted because personal data was erased. Export again.",
        "lost": "The file is missing because this server was restored without it. Export again.",
    }.get(one.gone, "The file was deleted. Export again.")


def _visible(scope: Scope) -> ColumnElement[bool]:
    """All of the organization; for who sees a part of the trail, what was asked for with that same view."""
    mine = exports.c.org_id == scope.org_id
    if scope.mandatory == EVERYTHING:
        return mine
    return mine & (exports.c.by_id == scope.principal.id) & (exports.c.by_role == scope.role)


def _found(connection: Connection, scope: Scope, export_id: UUID) -> Export:
    row = connection.execute(select(exports).where(_visible(scope), exports.c.export_id == export_id)).first()
    if row is None:
        raise _no_export()
    return read(row)


def _raw(shown_id: str) -> UUID:
    try:
        return UUID(bytes=ids.decode(PREFIX, shown_id))
    except ValueError:
        raise _no_export() from None


def _no_export() -> NotFound:
    return NotFound("Export not found, or you do not have access to it.", code="no_export")
