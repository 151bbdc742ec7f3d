"""Creates and changes cases; each change is recorded in the audit log in the same transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.names import clean_text
from tallystick.cases.case import LINES, PREFIX, Case, case_not_found, read_case, require_change
from tallystick.cases.tables import cases
from tallystick.errors import BadRequest, Conflict
from tallystick.query.scope import Scope

MOST_TITLE = 200
MOST_LINE = 4000
MOST_RECORDED_TEXT = 500  # characters of each text in an event of the audit log, which has room for all of them


def open_case(connection: Connection, scope: Scope, title: str, *, now: int, caller: Caller = NOWHERE) -> Case:
    """Creates a case without events. Raises BadRequest (`bad_case`) for a title that is empty or too long."""
    require_change(scope)
    words = _title(title)
    case_id = ids.new_uuid(now)
    connection.execute(
        insert(cases).values(
            org_id=scope.org_id,
            case_id=case_id,
            title=words,
            version=1,
            **dict.fromkeys(LINES, ""),
            made_by=scope.principal.id,
            made_by_name=scope.principal.label,
            created_at=now,
            changed_at=now,
        )
    )
    case = read_case(connection, scope, ids.encode(PREFIX, case_id.bytes))
    record_change(connection, scope, "audit_log.case_opened", case, now, caller)
    return case


def write_lines(
    connection: Connection,
    scope: Scope,
    public_id: str,
    version: int,
    words: Mapping[str, str],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Case:
    """Changes the title and the lines given in `words`.

    Raises Conflict (`case_changed`) if somebody else changed the case since `version`: nothing is overwritten.
    """
    case = lock_case(connection, scope, public_id)
    if case.version != version:
        raise Conflict(
            "Someone else changed this case in the meantime. Your text is below; check theirs before you save.",
            code="case_changed",
        )
    given = {name: _line(name, words[name]) for name in LINES if name in words}
    if "title" in words:
        given["title"] = _title(words["title"])
    before = {**case.lines, "title": case.title}
    changed = {name: text for name, text in given.items() if text != before[name]}
    if not changed:
        return case
    _update_case(connection, scope, case, now, version=version + 1, **changed)
    changes = {name: {"before": shorten(before[name]), "after": shorten(text)} for name, text in changed.items()}
    record_change(connection, scope, "audit_log.case_updated", case, now, caller, changes)
    return read_case(connection, scope, public_id)


def set_closed(
    connection: Connection, scope: Scope, public_id: str, closed: bool, *, now: int, caller: Caller = NOWHERE
) -> Case:
    """Closes or reopens a case; does nothing if it is in that state already."""
    case = lock_case(connection, scope, public_id)
    if (case.closed_at is not None) == closed:
        return case
    _update_case(connection, scope, case, now, closed_at=now if closed else None)
    action = "audit_log.case_closed" if closed else "audit_log.case_reopened"
    record_change(connection, scope, action, case, now, caller)
    return read_case(connection, scope, public_id)


def lock_case(connection: Connection, scope: Scope, public_id: str) -> Case:
    """Returns a case that the scope may change, and locks its row until the transaction ends."""
    require_change(scope)
    case = read_case(connection, scope, public_id)
    clause = (cases.c.org_id == scope.org_id) & (cases.c.case_id == case.case_id)
    if connection.execute(select(cases.c.version).where(clause).with_for_update()).first() is None:
        raise case_not_found()
    return read_case(connection, scope, public_id)


def touch_case(connection: Connection, scope: Scope, case: Case, now: int) -> None:
    """Sets the time of the case's last change."""
    _update_case(connection, scope, case, now)


def record_change(
    connection: Connection,
    scope: Scope,
    action: str,
    case: Case,
    now: int,
    caller: Caller,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Records a change of a case in the audit log."""
    record_own(
        connection,
        scope.org_id,
        action,
        by=scope.principal,
        caller=caller,
        now=now,
        on=resource("case", case.case_id, PREFIX, case.title),
        changes=changes,
    )


def shorten(text: str) -> str:
    """Cuts a text to MOST_RECORDED_TEXT characters and appends its full length if it is longer."""
    return text if len(text) <= MOST_RECORDED_TEXT else text[:MOST_RECORDED_TEXT] + f"… ({len(text):,} characters)"


def _update_case(connection: Connection, scope: Scope, case: Case, now: int, **values: Any) -> None:
    clause = (cases.c.org_id == scope.org_id) & (cases.c.case_id == case.case_id)
    connection.execute(update(cases).where(clause).values(changed_at=now, **values))


def _title(text: str) -> str:
    words = " ".join(clean_text(text).split())
    if not words:
        raise BadRequest("Enter a title for the case.", code="bad_case", field="title")
    if len(words) > MOST_TITLE:
        raise BadRequest(f"A title can have at most {MOST_TITLE} characters.", code="bad_case", field="title")
    return words


def _line(name: str, text: str) -> str:
    words = clean_text(text)
    if len(words) > MOST_LINE:
        detail = f"{LINES[name]} can have at most {MOST_LINE:,} characters; this has {len(words):,}."
        raise BadRequest(detail, code="bad_case", field=name)
    return words
