"""Making and changing a case; each change is an event in the trail, in the same transaction."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.cases.case import LINES, PREFIX, Case, no_case, read_case, require_change
from tallystick.cases.tables import cases
from tallystick.errors import BadRequest, Conflict
from tallystick.query.scope import Scope

MOST_TITLE = 200
MOST_LINE = 4000
MOST_TOLD = 500  # of each text in the trail: an event has room for all of them
# Controls, and half characters, which no database takes.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def open_case(connection: Connection, scope: Scope, title: str, *, now: int, caller: Caller = NOWHERE) -> Case:
    """Make a case without events. BadRequest (`bad_case`) for a title that is empty or too long."""
    require_change(scope)
    words = _title(title)
    case_id = ids.new_uuid(now)
    connection.execute(
        insert(cases).values(
            org_id=scope.org_id, case_id=case_id, title=words, version=1, **dict.fromkeys(LINES, ""),
            made_by=scope.principal.id, made_by_name=scope.principal.email or scope.principal.name,
            created_at=now, changed_at=now,
        )
    )  # fmt: skip
    case = read_case(connection, scope, ids.encode(PREFIX, case_id.bytes))
    told(connection, scope, "audit_log.case_opened", case, now, caller)
    return case


def write_lines(
    connection: Connection,
    scope: Scope,
    shown_id: str,
    version: int,
    words: Mapping[str, str],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Case:
    """Change the title and the lines that `words` has.

    Conflict (`case_changed`) when somebody changed them after `version` was read: nothing is overwritten.
    """
    case = locked(connection, scope, shown_id)
    if case.version != version:
        raise Conflict(
            "Someone else changed this case in the meantime. Your text is below; check theirs before you save.",
            code="case_changed",
        )
    given = {name: _line(name, words[name]) for name in LINES if name in words}
    if "title" in words:
        given["title"] = _title(words["title"])
    was = {**case.lines, "title": case.title}
    changed = {name: text for name, text in given.items() if text != was[name]}
    if not changed:
        return case
    _set(connection, scope, case, now, version=version + 1, **changed)
    changes = {name: {"before": brief(was[name]), "after": brief(text)} for name, text in changed.items()}
    told(connection, scope, "audit_log.case_updated", case, now, caller, changes)
    return read_case(connection, scope, shown_id)


def set_closed(
    connection: Connection, scope: Scope, shown_id: str, closed: bool, *, now: int, caller: Caller = NOWHERE
) -> Case:
    """Close a case or open it again; nothing happens when it is so already."""
    case = locked(connection, scope, shown_id)
    if (case.closed_at is not None) == closed:
        return case
    _set(connection, scope, case, now, closed_at=now if closed else None)
    told(connection, scope, "audit_log.case_closed" if closed else "audit_log.case_reopened", case, now, caller)
    return read_case(connection, scope, shown_id)


def locked(connection: Connection, scope: Scope, shown_id: str) -> Case:
    """The case to be changed, which nobody else changes until this transaction ends."""
    require_change(scope)
    case = read_case(connection, scope, shown_id)
    mine = (cases.c.org_id == scope.org_id) & (cases.c.case_id == case.case_id)
    if connection.execute(select(cases.c.version).where(mine).with_for_update()).first() is None:
        raise no_case()
    return read_case(connection, scope, shown_id)


def touched(connection: Connection, scope: Scope, case: Case, now: int) -> None:
    """Note that something about the case changed."""
    _set(connection, scope, case, now)


def told(
    connection: Connection,
    scope: Scope,
    action: str,
    case: Case,
    now: int,
    caller: Caller,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Write what was done with a case into the trail."""
    record_own(
        connection, scope.org_id, action, by=scope.principal, caller=caller, now=now,
        on=resource("case", case.case_id, PREFIX, case.title), changes=changes,
    )  # fmt: skip


def brief(text: str) -> str:
    """The beginning of a text, for the trail; where something is missing it says so."""
    return text if len(text) <= MOST_TOLD else text[:MOST_TOLD] + f"… ({len(text):,} characters)"


def written(text: str) -> str:
    """A text as it is kept: its lines parted by a newline, without what cannot be seen."""
    return _UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _set(connection: Connection, scope: Scope, case: Case, now: int, **values: Any) -> None:
    mine = (cases.c.org_id == scope.org_id) & (cases.c.case_id == case.case_id)
    connection.execute(update(cases).where(mine).values(changed_at=now, **values))


def _title(text: str) -> str:
    words = " ".join(written(text).split())
    if not words:
        raise BadRequest("Enter a title for the case.", code="bad_case", field="title")
    if len(words) > MOST_TITLE:
        raise BadRequest(f"A title can have at most {MOST_TITLE} characters.", code="bad_case", field="title")
    return words


def _line(name: str, text: str) -> str:
    words = written(text)
    if len(words) > MOST_LINE:
        detail = f"{LINES[name]} can have at most {MOST_LINE:,} characters; this has {len(words):,}."
        raise BadRequest(detail, code="bad_case", field=name)
    return words
