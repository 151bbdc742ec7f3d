"""A case as it is kept, and who may read and change it."""

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
# The lines of the incident report, by column.
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
Place = tuple[int, UUID]  # when a case was changed last, and which


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `lines` has every name of LINES; `version` grows with each change of words; times in µs."""

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
    def shown_id(self) -> str:
        return ids.encode(PREFIX, self.case_id.bytes)

    @property
    def place(self) -> str:
        """Where a list goes on after this case: `place_of` reads it."""
        return f"{self.changed_at}.{self.shown_id}"

    @property
    def state(self) -> State:
        return "open" if self.closed_at is None else "closed"


def read_case(connection: Connection, scope: Scope, shown_id: str) -> Case:
    """The case of that id; NotFound (`no_case`) for one that the scope may not see, as for none."""
    try:
        case_id = UUID(bytes=ids.decode(PREFIX, shown_id))
    except ValueError:
        raise no_case() from None
    row = connection.execute(_counted().where(visible(scope), cases.c.case_id == case_id)).first()
    if row is None:
        raise no_case()
    return _read(row)


def place_of(text: str) -> Place | None:
    """What `Case.place` wrote; None for anything else."""
    at, _, shown_id = text.partition(".")
    try:
        return int(at), UUID(bytes=ids.decode(PREFIX, shown_id))
    except ValueError:
        return None


def list_cases(
    connection: Connection, scope: Scope, *, state: State | None = None, before: Place | None = None
) -> list[Case]:
    """Cases that the scope may see, last changed first, at most MOST_LISTED; `before` goes on after a case."""
    statement = _counted().where(visible(scope))
    if state is not None:
        closed = cases.c.closed_at
        statement = statement.where(closed.is_(None) if state == "open" else closed.is_not(None))
    if before is not None:
        statement = statement.where(tuple_(cases.c.changed_at, cases.c.case_id) < before)
    ordered = statement.order_by(cases.c.changed_at.desc(), cases.c.case_id.desc()).limit(MOST_LISTED)
    return [_read(row) for row in connection.execute(ordered)]


def may_change(scope: Scope) -> bool:
    """An auditor reads; whoever else may see a case may change it."""
    return scope.role in ("owner", "admin", "member") or scope.principal.kind == "system"


def require_change(scope: Scope) -> None:
    """Forbidden (`read_only`) unless the scope may change the cases that it sees."""
    require(scope, "events:read")
    if not may_change(scope):
        raise Forbidden(
            "Your role can read cases but not change them. Ask an owner or admin.",
            code="read_only",
        )


def visible(scope: Scope) -> ColumnElement[bool]:
    """The cases that a scope may see: its organization's; of a member those that it made."""
    require(scope, "events:read")
    mine = cases.c.org_id == scope.org_id
    return mine & (cases.c.made_by == scope.principal.id) if scope.role == "member" else mine


def no_case() -> NotFound:
    """What everyone is told of a case that is not theirs to see."""
    return NotFound("Case not found, or you do not have access to it.", code="no_case")


def _counted() -> Any:
    held = (
        select(func.count())
        .where(case_events.c.org_id == cases.c.org_id, case_events.c.case_id == cases.c.case_id)
        .scalar_subquery()
    )
    return select(cases, held.label("events"))


def _read(row: Row[Any]) -> Case:
    lines = {name: getattr(row, name) for name in LINES}
    return Case(
        row.case_id, row.title, lines, row.version, row.made_by, row.made_by_name,
        row.created_at, row.changed_at, row.closed_at, row.events,
    )  # fmt: skip
