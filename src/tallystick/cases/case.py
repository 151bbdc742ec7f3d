"""Cases: reading and listing them, and who may read and change them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, func, select, tuple_

from tallystick import ids
from tallystick.access.scopes import require
from tallystick.cases.tables import case_events, cases
from tallystick.errors import Forbidden, NotFound
from tallystick.query.scope import Scope

PREFIX = "cas"
# The lines of the incident report, by column name.
LINES: Mapping[str, str] = {
    "issue": "Issue",
    "detected": "Detected",
    "impact": "Impact",
    "root_cause": "Root Cause",
    "resolution": "Resolution",
    "time_to_fix": "Time to Fix",
}
MOST_LISTED = 100
State = Literal["open", "closed"]
Cursor = tuple[int, UUID]
"""The time of a case's last change (microseconds) and its id: where a page of cases ended."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case. `lines` has a text for every name in LINES, possibly empty; `events` counts the events in it.

    `version` grows with each change of the title or a line. Times in microseconds.
    """

    case_id: UUID
    title: str
    lines: Mapping[str, str]
    version: int
    made_by: str
    made_by_name: str
    created_at: int
    changed_at: int
    closed_at: int | None
    events: int

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.case_id.bytes)

    @property
    def cursor(self) -> str:
        """The cursor of the page that ends with this case; `parse_cursor` reads it."""
        return f"{self.changed_at}.{self.public_id}"

    @property
    def state(self) -> State:
        return "open" if self.closed_at is None else "closed"


def read_case(connection: Connection, scope: Scope, public_id: str) -> Case:
    """Returns the case of that id; NotFound (`no_case`), also for a case that the scope may not see."""
    try:
        case_id = ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise case_not_found() from None
    row = connection.execute(_select_cases().where(visible_clause(scope), cases.c.case_id == case_id)).first()
    if row is None:
        raise case_not_found()
    return _case_of(row)


def parse_cursor(text: str) -> Cursor | None:
    """Parses a `Case.cursor`; None for any other text."""
    at, _, public_id = text.partition(".")
    try:
        return int(at), ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        return None


def list_cases(
    connection: Connection, scope: Scope, *, state: State | None = None, before: Cursor | None = None
) -> list[Case]:
    """Lists at most MOST_LISTED cases that the scope may see, the last changed first; `before` is a page's cursor."""
    statement = _select_cases().where(visible_clause(scope))
    if state is not None:
        closed = cases.c.closed_at
        statement = statement.where(closed.is_(None) if state == "open" else closed.is_not(None))
    if before is not None:
        statement = statement.where(tuple_(cases.c.changed_at, cases.c.case_id) < before)
    ordered = statement.order_by(cases.c.changed_at.desc(), cases.c.case_id.desc()).limit(MOST_LISTED)
    return [_case_of(row) for row in connection.execute(ordered)]


def may_change(scope: Scope) -> bool:
    """Whether the scope may change the cases that it sees: everybody except auditors and keys."""
    return scope.role in ("owner", "admin", "member") or scope.principal.kind == "system"


def require_change(scope: Scope) -> None:
    """Forbidden (`read_only`) unless the scope may change the cases that it sees."""
    require(scope, "events:read")
    if not may_change(scope):
        raise Forbidden(
            "Your role can read cases but not change them. Ask an owner or admin.",
            code="read_only",
        )


def visible_clause(scope: Scope) -> ColumnElement[bool]:
    """Returns the SQL clause of the cases that a scope may see: its organization's; with a filter, those it created."""
    require(scope, "events:read")
    clause = cases.c.org_id == scope.org_id
    return clause & (cases.c.made_by == scope.principal.id) if scope.is_filtered else clause


def case_not_found() -> NotFound:
    """Creates the NotFound (`no_case`) for a case that does not exist or may not be seen: the same for both."""
    return NotFound("Case not found, or you do not have access to it.", code="no_case")


def _select_cases() -> Any:
    events = (
        select(func.count())
        .where(case_events.c.org_id == cases.c.org_id, case_events.c.case_id == cases.c.case_id)
        .scalar_subquery()
    )
    return select(cases, events.label("events"))


def _case_of(row: Row[Any]) -> Case:
    lines = {name: getattr(row, name) for name in LINES}
    return Case(
        row.case_id, row.title, lines, row.version, row.made_by, row.made_by_name,
        row.created_at, row.changed_at, row.closed_at, row.events,
    )  # fmt: skip
