"""Legal holds: searches whose events are kept although their retention is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.decisions import (
    Decision,
    DecisionKind,
    confirm_decision,
    decides_alone,
    request_decision,
    show_decision,
)
from tallystick.access.scopes import require, require_whole_trail
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, NotFound
from tallystick.events.action_catalogue import BUILT_IN
from tallystick.intake_rules.rule_list import expiry_classes, keep_classes
from tallystick.query.conditions import And, Between, Condition, Not, Or, Query
from tallystick.query.scope import Scope
from tallystick.retention import exported_ranges
from tallystick.retention.tables import legal_holds
from tallystick.search.filters import query_from
from tallystick.store.events import EventStore
from tallystick.store.expiry import ExpiryCount, count_expiring
from tallystick.store.reading import count_matches
from tallystick.store.windows import Budget

PREFIX = "hold"
MAX_NAME = 100
MAX_TEXT = 2000
MAX_ACTIVE = 100
BUDGET_SECONDS = 1.5
RELEASE = DecisionKind(
    "hold_release",
    frozenset({"owner", "admin"}),
    "/retention",
    "legal_hold_release",
    "legal_hold",
    PREFIX,
)


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold: the events that a search finds, from `start` to `end` as they were entered; times in µs since 1970."""

    hold_id: UUID
    name: str
    query: str
    start: str
    end: str
    placed_by: str
    placed_at: int
    released_at: int | None

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.hold_id.bytes)


def place(
    connection: Connection,
    scope: Scope,
    name: str,
    query: str = "",
    start: str = "",
    end: str = "",
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Hold:
    """Place a hold on the events that the search finds. Deletions that are already recorded in the trail still happen.

    Raises BadRequest (`bad_hold`, or the code of a mistake in the search), Conflict (`too_many_holds`).
    """
    require(scope, "admin")
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if not 1 <= len(words) <= MAX_NAME:
        raise BadRequest(f"The name of a hold must have 1 to {MAX_NAME} characters.", code="bad_hold", field="name")
    hold = _new_hold(scope, words, query, start, end, now)
    organizations.lock_row(connection, scope.org_id)
    if len(active(connection, scope)) >= MAX_ACTIVE:
        raise Conflict(f"There are already {MAX_ACTIVE} holds. Release one first.", code="too_many_holds")
    connection.execute(
        insert(legal_holds).values(
            org_id=scope.org_id,
            hold_id=hold.hold_id,
            name=words,
            query=query,
            start=start,
            end=end,
            placed_by=hold.placed_by,
            placed_at=now,
        )
    )
    changes = {name: value for name, value in (("query", query), ("start", start), ("end", end)) if value}
    _record(connection, scope, "audit_log.legal_hold_placed", hold, now, caller, changes)
    return hold


def count(
    store: EventStore, scope: Scope, query: str = "", start: str = "", end: str = "", *, now: int
) -> tuple[int, bool]:
    """The number of stored events that a hold would keep, and whether all were counted. Raises what `place` raises."""
    require(scope, "admin")
    found = Query(_condition(_new_hold(scope, "", query, start, end, now)))
    return count_matches(store, scope, found, Budget(BUDGET_SECONDS))


def release(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> Hold:
    """Release a hold, so that its events expire again; idempotent.

    It takes a person, and where the organization has two owners a second one: then this requests a decision, and the
    hold stays. Raises NotFound (`no_hold`), Forbidden (`person_required`), Conflict (`decision_pending`).
    """
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    hold = show(connection, scope, public_id)
    if hold.released_at is not None:
        return hold
    page = f"{RELEASE.page}?look=release&hold={public_id}#holds"
    if decides_alone(connection, scope, RELEASE, page=page, now=now):
        return _release(connection, scope, hold, now, caller)
    request_decision(connection, scope, RELEASE, hold.hold_id, title=hold.name, now=now, caller=caller)
    return hold


def confirm_release(
    connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE
) -> Decision:
    """Confirm the requested release of a hold as a second person, and release it. NotFound (`no_decision`); errors of
    `confirm_decision`."""
    organizations.lock_row(connection, scope.org_id)
    decision = show_decision(connection, scope, public_id, RELEASE.name)
    confirmed = confirm_decision(connection, scope, RELEASE, decision, now=now, caller=caller)
    if confirmed.state == "confirmed":
        hold = show(connection, scope, ids.encode(PREFIX, decision.target_id.bytes))
        _release(connection, scope, hold, now, caller)
    return confirmed


def _release(connection: Connection, scope: Scope, hold: Hold, now: int, caller: Caller) -> Hold:
    mine = (legal_holds.c.org_id == scope.org_id) & (legal_holds.c.hold_id == hold.hold_id)
    connection.execute(update(legal_holds).where(mine).values(released_at=now))
    _record(connection, scope, "audit_log.legal_hold_released", hold, now, caller, {})
    return show(connection, scope, hold.public_id)


def show(connection: Connection, scope: Scope, public_id: str) -> Hold:
    """A hold, active or released; NotFound (`no_hold`)."""
    require(scope, "admin")
    try:
        hold_id = ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _no_hold() from None
    mine = (legal_holds.c.org_id == scope.org_id) & (legal_holds.c.hold_id == hold_id)
    row = connection.execute(select(legal_holds).where(mine)).first()
    if row is None:
        raise _no_hold()
    return _hold_of(row)


def list_holds(connection: Connection, scope: Scope, *, most: int = 1000) -> list[Hold]:
    """All holds, active or released, newest first; for readers of the whole trail, which records them too."""
    require_whole_trail(scope)
    require(scope, "events:read")
    mine = legal_holds.c.org_id == scope.org_id
    statement = select(legal_holds).where(mine).order_by(legal_holds.c.placed_at.desc()).limit(most)
    return [_hold_of(row) for row in connection.execute(statement)]


def active(connection: Connection, scope: Scope) -> list[Hold]:
    """The active holds, oldest first."""
    mine = (legal_holds.c.org_id == scope.org_id) & legal_holds.c.released_at.is_(None)
    statement = select(legal_holds).where(mine).order_by(legal_holds.c.placed_at, legal_holds.c.hold_id)
    return [_hold_of(row) for row in connection.execute(statement)]


def unheld_condition(holds: Sequence[Hold]) -> Condition:
    """The condition that an event is under none of these holds."""
    return Not(Or(tuple(map(_condition, holds)))) if holds else And(())


def count_freed(database: Database, store: EventStore, scope: Scope, public_id: str, *, now: int) -> ExpiryCount:
    """Count the events that expire when the hold is released: past their retention, under no other hold. Blocks."""
    with database.read() as connection:
        hold = show(connection, scope, public_id)
        others = [one for one in active(connection, scope) if one.hold_id != hold.hold_id]
        days = organizations.effective_retention_days(connection, scope.org_id, now)
        classes = expiry_classes(keep_classes(connection, scope.org_id, now), now, days)
        left = exported_ranges.read_ranges(connection, scope)
    only = And((_condition(hold), unheld_condition(others)))
    return count_expiring(
        store, scope, now - days * DAY_US, only=only, classes=classes, ranges=left, seconds=BUDGET_SECONDS
    )


def _new_hold(scope: Scope, name: str, query: str, start: str, end: str, now: int) -> Hold:
    if max(len(query), len(start), len(end)) > MAX_TEXT:
        raise BadRequest(
            f"The search of a hold may have at most {MAX_TEXT} characters.", code="bad_hold", field="query"
        )
    if not (query.strip() or start or end):
        raise BadRequest(
            "Give a query such as `user:sarah@acme.com`, a start, an end, or several of them.",
            code="bad_hold",
            field="query",
        )
    hold = Hold(ids.new_uuid(now), name, query, start, end, _person_of(scope), now, None)
    _condition(hold)  # raises now for a mistake in the search, not during a purge
    return hold


def _condition(hold: Hold) -> Condition:
    """The hold's condition, parsed as of the time of placing, so that `after:-7d` always means the same days."""
    given = {"q": hold.query, "start": hold.start, "end": hold.end}
    query = query_from({name: [text] for name, text in given.items() if text.strip()}, now=hold.placed_at)
    # A word also finds the built-in actions whose sentence has it, as in a search. An organization's own sentences can
    # be changed, and a word that is excluded finds less by sentences: neither may let go of an event that is held.
    expanded = BUILT_IN.expand(query.condition)
    condition = query.condition if expanded == query.condition else Or((query.condition, expanded))
    return And((Between(query.start, query.end), condition))


def _person_of(scope: Scope) -> str:
    return scope.principal.label[:254]


def _no_hold() -> NotFound:
    return NotFound("Legal hold not found.", code="no_hold")


def _hold_of(row: Row[Any]) -> Hold:
    return Hold(**{name: row._mapping[name] for name in Hold.__slots__})


def _record(
    connection: Connection, scope: Scope, action: str, hold: Hold, now: int, caller: Caller, changes: dict[str, str]
) -> None:
    on = resource("legal_hold", hold.hold_id, PREFIX, hold.name)
    record_own(connection, scope.org_id, action, by=scope.principal, caller=caller, on=on, now=now, changes=changes)
