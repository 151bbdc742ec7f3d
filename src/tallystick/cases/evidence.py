"""The events that belong to a case, and what people wrote beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller
from tallystick.cases.case import Case
from tallystick.cases.changes import brief, locked, told, touched, written
from tallystick.cases.tables import case_events
from tallystick.errors import BadRequest, NotFound
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Scope
from tallystick.search.find import Finder

MOST_EVENTS = 200
MOST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Held:
    """An event of a case: when it happened (µs), the note, and who added it. What it says is in the trail."""

    event_id: bytes
    occurred_at: int
    note: str
    added_by: str

    @property
    def shown_id(self) -> str:
        return ids.encode("evt", self.event_id)


def list_held(connection: Connection, scope: Scope, case: Case) -> list[Held]:
    """The events of a case that was read under this scope, in order of time."""
    mine = (case_events.c.org_id == scope.org_id) & (case_events.c.case_id == case.case_id)
    columns = (case_events.c.event_id, case_events.c.occurred_at, case_events.c.note, case_events.c.added_by)
    ordered = select(*columns).where(mine).order_by(case_events.c.occurred_at, case_events.c.event_id)
    return [Held(*row) for row in connection.execute(ordered)]


def find_events(finder: Finder, scope: Scope, shown_ids: Sequence[str]) -> list[StoredEvent]:
    """The events of these ids; NotFound (`no_event`) when one is none that the scope may see. Blocks."""
    if len(shown_ids) > MOST_EVENTS:
        raise _too_many()
    try:
        wanted = [ids.decode("evt", shown_id) for shown_id in dict.fromkeys(shown_ids)]
    except ValueError:
        raise _no_event() from None
    found = finder.several(scope, wanted)
    if len(found) < len(set(wanted)):
        raise _no_event()
    return [found[event_id] for event_id in wanted]


def add_events(
    connection: Connection,
    scope: Scope,
    shown_id: str,
    events: Sequence[StoredEvent],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> int:
    """Let events, found under this scope, belong to a case; gives how many did not before."""
    case = locked(connection, scope, shown_id)
    mine = (case_events.c.org_id == scope.org_id) & (case_events.c.case_id == case.case_id)
    there = set(connection.execute(select(case_events.c.event_id).where(mine)).scalars())
    fresh = [one for one in events if one.id not in there]
    if len(there) + len(fresh) > MOST_EVENTS:
        raise _too_many()
    if not fresh:
        return 0
    by = scope.principal.email or scope.principal.name
    rows = [
        {
            "org_id": scope.org_id,
            "case_id": case.case_id,
            "event_id": one.id,
            "occurred_at": one.occurred_at,
            "note": "",
            "added_by": by,
            "added_at": now,
        }
        for one in fresh
    ]
    connection.execute(insert(case_events), rows)
    touched(connection, scope, case, now)
    changes = {"events": [ids.encode("evt", one.id) for one in fresh]}
    told(connection, scope, "audit_log.case_events_added", case, now, caller, changes)
    return len(fresh)


def remove_event(
    connection: Connection, scope: Scope, shown_id: str, event_id: str, *, now: int, caller: Caller = NOWHERE
) -> None:
    """Let an event belong to the case no longer; its note goes with it, and the trail says what it was."""
    case = locked(connection, scope, shown_id)
    held = _held(connection, scope, case, event_id)
    connection.execute(delete(case_events).where(*_one(scope, case, held)))
    touched(connection, scope, case, now)
    changes = {"event": {"before": event_id, "after": ""}} | (
        {"note": {"before": brief(held.note), "after": ""}} if held.note else {}
    )
    told(connection, scope, "audit_log.case_event_removed", case, now, caller, changes)


def write_note(
    connection: Connection,
    scope: Scope,
    shown_id: str,
    event_id: str,
    note: str,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> None:
    """Put a note beside an event of the case; an empty one takes it away."""
    case = locked(connection, scope, shown_id)
    held = _held(connection, scope, case, event_id)
    words = written(note)
    if len(words) > MOST_NOTE:
        raise BadRequest(f"A note can have at most {MOST_NOTE:,} characters.", code="bad_case", field="note")
    if words == held.note:
        return
    connection.execute(update(case_events).where(*_one(scope, case, held)).values(note=words))
    touched(connection, scope, case, now)
    changes = {"event": event_id, "note": {"before": brief(held.note), "after": brief(words)}}
    told(connection, scope, "audit_log.case_noted", case, now, caller, changes)


def _held(connection: Connection, scope: Scope, case: Case, event_id: str) -> Held:
    held = next((one for one in list_held(connection, scope, case) if one.shown_id == event_id), None)
    if held is None:
        raise NotFound("This event is not part of the case.", code="no_event")
    return held


def _one(scope: Scope, case: Case, held: Held) -> tuple[ColumnElement[bool], ...]:
    return (
        case_events.c.org_id == scope.org_id,
        case_events.c.case_id == case.case_id,
        case_events.c.event_id == held.event_id,
    )


def _too_many() -> BadRequest:
    return BadRequest(f"A case can have at most {MOST_EVENTS} events.", code="too_many_events")


def _no_event() -> NotFound:
    return NotFound("Event not found, or you do not have access to it.", code="no_event")
