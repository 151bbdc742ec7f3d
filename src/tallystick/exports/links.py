"""Links that download a file without a session or key, as long as whoever made the link has access.

A link is a row, so that it can be listed and ended; its token is signed, so that it cannot be guessed.
"""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.current_scope import current_scope
from tallystick.access.members import member_addresses
from tallystick.access.scopes import require
from tallystick.access.secret import open_link, sign_link
from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.errors import Conflict, Forbidden, NotFound
from tallystick.exports import request
from tallystick.exports.request import Export
from tallystick.exports.tables import export_links, exports
from tallystick.query.conditions import EVERYTHING
from tallystick.query.scope import Principal, Scope
from tallystick.secret_keys import SecretKeys

PREFIX = "lnk"
MAX_LINKS = 200  # in force, to one export
KEEP_US = 30 * DAY_US  # how long links are listed after they expired
_PURPOSE = b"tallystick/export-link/v2\0"
_EARLIER_PURPOSE = b"tallystick/export-link/v1\0"  # links without a row, which name the export
_PAYLOAD = struct.Struct(">16s16sQ")


@dataclass(frozen=True, slots=True)
class SharedLink:
    """A link to the file of an export; times in microseconds.

    `view` identifies what its maker saw when making it. `recipient` is whom a schedule sent it to, or empty, and
    `consented` says that an owner let it go to an address outside the organization.
    """

    org_id: UUID
    link_id: UUID
    export_id: UUID
    by: Principal
    view: str
    recipient: str
    consented: bool
    made_at: int
    expires_at: int
    last_used_at: int | None
    ended_at: int | None
    ended_by: str

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.link_id.bytes)


def make_link(
    connection: Connection, scope: Scope, export: Export, until: int, *, now: int, caller: Caller = NOWHERE
) -> SharedLink:
    """A new link to an export that the scope may download, valid until `until`. It is recorded in the trail.

    Raises Conflict (`too_many_links`) where MAX_LINKS are in force.
    """
    in_force = _of_export(export) & export_links.c.ended_at.is_(None) & (export_links.c.expires_at > now)
    number: int = connection.execute(select(func.count()).select_from(export_links).where(in_force)).scalar_one()
    if number >= MAX_LINKS:
        raise Conflict(f"This export has {MAX_LINKS} links. End some that are no longer needed.", code="too_many_links")
    link = _insert(connection, scope, export, until, now)
    _record(connection, export, link, "audit_log.export_linked", scope.principal, now, caller)
    return link


def recipient_link(
    connection: Connection,
    scope: Scope,
    export: Export,
    schedule_id: UUID,
    recipient: str,
    *,
    consented: bool,
    now: int,
) -> SharedLink:
    """The link that a schedule sends to a recipient, until the file expires; the same one in every attempt."""
    mine = _of_export(export) & (export_links.c.recipient == recipient) & export_links.c.ended_at.is_(None)
    row = connection.execute(select(export_links).where(mine)).first()
    if row is not None:
        return _link_of(row)
    more = {"schedule_id": schedule_id, "recipient": recipient, "consented": consented}
    return _insert(connection, scope, export, export.expires_at or now, now, **more)


def token_of(keys: SecretKeys, link: SharedLink) -> str:
    """The token in the address of a link."""
    payload = _PAYLOAD.pack(link.org_id.bytes, link.link_id.bytes, link.expires_at // SECOND_US)
    return sign_link(keys, _PURPOSE, payload)


def follow(connection: Connection, keys: SecretKeys, token: str, *, now: int) -> tuple[Export, SharedLink | None]:
    """The export of a token, and its link; None for a link of an earlier version, which has no row.

    Raises NotFound (`no_link` if invalid, `link_over` if it expired, was ended, or its maker lost the access to the
    file; `export_gone`), Conflict (`export_not_ready`).
    """
    current, earlier = open_link(keys, _PURPOSE, token), open_link(keys, _EARLIER_PURPOSE, token)
    payload = current or earlier
    if payload is None:
        raise NotFound("This link is not valid. Check that it was copied completely.", code="no_link")
    org_bytes, row_bytes, until = _PAYLOAD.unpack(payload)
    org_id, row_id = UUID(bytes=org_bytes), UUID(bytes=row_bytes)
    if until * SECOND_US <= now:
        raise _over()
    link = None
    if current is not None:
        mine = (export_links.c.org_id == org_id) & (export_links.c.link_id == row_id)
        row = connection.execute(select(export_links).where(mine)).first()
        if row is None or row.ended_at is not None:
            raise _over()
        link = _link_of(row)
        row_id = link.export_id
    row = connection.execute(select(exports).where(request.is_export(org_id, row_id))).first()
    if row is None:
        raise NotFound("Export not found, or you do not have access to it.", code="no_export")
    export = request.export_of(row)
    if not has_access(connection, export, link, now):
        raise _over()
    return request.require_file(export), link


def has_access(connection: Connection, export: Export, link: SharedLink | None, now: int) -> bool:
    """Whether whoever made a link could make it still, and its recipient may still have the file.

    A link of an earlier version does not say who made it: it is held to the access of whoever requested the export.
    """
    maker = export.by if link is None else link.by
    try:
        scope = current_scope(connection, export.org_id, maker, now=now)
        require(scope, "exports")
        request.find_export(connection, scope, export.public_id)
    except (Forbidden, NotFound):
        return False
    if link is None:
        return True
    if scope.mandatory != EVERYTHING and link.view != _view(scope):
        return False
    if not link.recipient:
        return True
    if scope.role in ("auditor", "member") and link.recipient != maker.email:
        return False
    return link.consented or link.recipient in member_addresses(connection, export.org_id)


def list_links(connection: Connection, scope: Scope, public_id: str) -> list[SharedLink]:
    """The links to an export that the scope may see, newest first."""
    return links_of(connection, [request.find_export(connection, scope, public_id)])


def links_of(connection: Connection, found: Sequence[Export]) -> list[SharedLink]:
    """The links to exports of one organization that the caller may see, newest first; all that are in force are there.

    Of those that are over, only the newest.
    """
    if not found:
        return []
    wanted = export_links.c.export_id.in_([export.export_id for export in found])
    mine = select(export_links).where(export_links.c.org_id == found[0].org_id, wanted)
    in_force_first = (export_links.c.ended_at.is_not(None), export_links.c.expires_at.desc())
    rows = connection.execute(mine.order_by(*in_force_first).limit((MAX_LINKS + request.MAX_LISTED) * len(found)))
    return sorted((_link_of(row) for row in rows), key=lambda link: link.link_id, reverse=True)


def state_of(connection: Connection, export: Export, link: SharedLink, now: int) -> str:
    """What became of a link: active, expired, ended (by somebody), or access_ended (of its maker or its recipient)."""
    if link.ended_at is not None:
        return "ended"
    if link.expires_at <= now or not export.has_file:
        return "expired"
    return "active" if has_access(connection, export, link, now) else "access_ended"


def end_link(
    connection: Connection, scope: Scope, public_id: str, link_id: str, *, now: int, caller: Caller = NOWHERE
) -> None:
    """End a link; ending it again changes nothing.

    Forbidden (`not_your_export`) for a link of others to an export of others without `admin`; NotFound (`no_link`).
    """
    export = request.find_export(connection, scope, public_id)
    try:
        mine = _of_export(export) & (export_links.c.link_id == ids.parse_uuid(PREFIX, link_id))
        row = connection.execute(select(export_links).where(mine)).first()
    except ValueError:
        row = None
    if row is None:
        raise NotFound("This export has no such link.", code="no_link")
    link = _link_of(row)
    if not may_end(scope, export, link):
        raise Forbidden("This link belongs to someone else. Ask an owner or admin.", code="not_your_export")
    if _end(connection, _is_link(link), scope.principal.label, now):
        _record(connection, export, link, "audit_log.export_link_ended", scope.principal, now, caller)


def may_end(scope: Scope, export: Export, link: SharedLink) -> bool:
    """Whether the scope may end a link: who made it, who requested the export, and who administers the organization."""
    return scope.principal.id in (link.by.id, export.by.id) or "admin" in scope.permissions


def end_recipient_links(
    connection: Connection, org_id: UUID, schedule_id: UUID, by: str, now: int, *, only: Collection[str] | None = None
) -> None:
    """End the links that a schedule sent, to all its recipients or `only` some."""
    mine = (export_links.c.org_id == org_id) & (export_links.c.schedule_id == schedule_id)
    _end(connection, mine if only is None else mine & export_links.c.recipient.in_(only), by, now)


def note_use(connection: Connection, link: SharedLink, now: int) -> None:
    """Store when a link was last used."""
    connection.execute(update(export_links).where(_is_link(link)).values(last_used_at=now))


def delete_old(connection: Connection, now: int) -> None:
    """Delete the links that expired long ago."""
    connection.execute(delete(export_links).where(export_links.c.expires_at < now - KEEP_US))


def _insert(connection: Connection, scope: Scope, export: Export, until: int, now: int, **more: Any) -> SharedLink:
    by = scope.principal
    values = {
        "org_id": export.org_id, "link_id": ids.new_uuid(now), "export_id": export.export_id,
        "by_kind": by.kind, "by_id": by.id, "by_name": by.name[:254], "by_email": by.email, "view": _view(scope),
        "schedule_id": None, "recipient": "", "consented": False,
        "made_at": now, "expires_at": until, "ended_by": "", **more,
    }  # fmt: skip
    connection.execute(insert(export_links).values(values))
    mine = (export_links.c.org_id == export.org_id) & (export_links.c.link_id == values["link_id"])
    return _link_of(connection.execute(select(export_links).where(mine)).one())


def _end(connection: Connection, which: ColumnElement[bool], by: str, now: int) -> int:
    ended = update(export_links).where(which, export_links.c.ended_at.is_(None))
    return connection.execute(ended.values(ended_at=now, ended_by=by[:254])).rowcount


def _record(
    connection: Connection, export: Export, link: SharedLink, action: str, by: Principal, now: int, caller: Caller
) -> None:
    metadata = {"link": link.public_id, "expires_at": rfc3339(link.expires_at), "recipient": link.recipient}
    request.record_action(
        connection, export, action, by=by, now=now, caller=caller,
        metadata={name: value for name, value in metadata.items() if value},
    )  # fmt: skip


def _view(scope: Scope) -> str:
    return sha256(repr(scope.mandatory).encode()).hexdigest()


def _of_export(export: Export) -> ColumnElement[bool]:
    return (export_links.c.org_id == export.org_id) & (export_links.c.export_id == export.export_id)


def _is_link(link: SharedLink) -> ColumnElement[bool]:
    return (export_links.c.org_id == link.org_id) & (export_links.c.link_id == link.link_id)


def _link_of(row: Row[Any]) -> SharedLink:
    by = Principal(row.by_kind, row.by_id, row.by_name, row.by_email)
    return SharedLink(
        row.org_id, row.link_id, row.export_id, by, row.view, row.recipient, row.consented,
        row.made_at, row.expires_at, row.last_used_at, row.ended_at, row.ended_by,
    )  # fmt: skip


def _over() -> NotFound:
    return NotFound("This link has ended. Ask the sender for a new one.", code="link_over")
