"""The events of a case and the notes on them: listing, adding and removing events, writing notes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from tallystick import ids
from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.names import clean_text
from tallystick.cases.case import Case
from tallystick.cases.changes import lock_case, record_change, shorten, touch_case
from tallystick.cases.tables import case_events
from tallystick.errors import BadRequest, NotFound
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Scope
from tallystick.search.find import Finder

MOST_EVENTS = 200
MOST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """A reference to an event from a case: when it happened (microseconds), the note on it, and who added it."""

    event_id: bytes
    occurred_at: int
    note: str
    added_by: str

    @property
    def public_id(self) -> str:
        return ids.encode("evt", self.event_id)


def list_case_events(connection: Connection, scope: Scope, case: Case) -> list[CaseEvent]:
    """Lists the events of a case, which was read under this scope, in order of time."""
    clause = (case_events.c.org_id == scope.org_id) & (case_events.c.case_id == case.case_id)
    columns = (case_events.c.event_id, case_events.c.occurred_at, case_events.c.note, case_events.c.added_by)
    ordered = select(*columns).where(clause).order_by(case_events.c.occurred_at, case_events.c.event_id)
    return [CaseEvent(*row) for row in connection.execute(ordered)]


def find_events(finder: Finder, scope: Scope, public_ids: Sequence[str]) -> list[StoredEvent]:
    """Finds the events of these ids, in their order. Blocks.

    Raises NotFound (`no_event`) if the scope may not see one of them, BadRequest (`too_many_events`).
    """
    if len(public_ids) > MOST_EVENTS:
        raise _too_many()
    try:
        event_ids = [ids.decode("evt", public_id) for public_id in dict.fromkeys(public_ids)]
    except ValueError:
        raise _no_event() from None
    found = finder.several(scope, event_ids)
    if len(found) < len(set(event_ids)):
        raise _no_event()
    return [found[event_id] for event_id in event_ids]


def add_events(
    connection: Connection,
    scope: Scope,
    public_id: str,
    events: Sequence[StoredEvent],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> int:
    """Adds events, found under this scope, to a case; returns how many were not in it before."""
    case = lock_case(connection, scope, public_id)
    clause = (case_events.c.org_id == scope.org_id) & (case_events.c.case_id == case.case_id)
    existing = set(connection.execute(select(case_events.c.event_id).where(clause)).scalars())
    new = [event for event in events if event.id not in existing]
    if len(existing) + len(new) > MOST_EVENTS:
        raise _too_many()
    if not new:
        return 0
    by = scope.principal.label
    rows = [
        {
            "org_id": scope.org_id,
            "case_id": case.case_id,
            "event_id": event.id,
            "occurred_at": event.occurred_at,
            "note": "",
            "added_by": by,
            "added_at": now,
        }
        for event in new
    ]
    connection.execute(insert(case_events), rows)
    touch_case(connection, scope, case, now)
    changes = {"events": [ids.encode("evt", event.id) for event in new]}
    record_change(connection, scope, "audit_log.case_events_added", case, now, caller, changes)
    return len(new)


def remove_event(
    connection: Connection, scope: Scope, public_id: str, event_id: str, *, now: int, caller: Caller = NOWHERE
) -> None:
    """Removes an event and its note from a case; the audit log keeps the beginning of the note."""
    case = lock_case(connection, scope, public_id)
    case_event = _read_case_event(connection, scope, case, event_id)
    connection.execute(delete(case_events).where(_event_clause(scope, case, case_event)))
    touch_case(connection, scope, case, now)
    changes = {"event": {"before": event_id, "after": ""}}
    if case_event.note:
        changes["note"] = {"before": shorten(case_event.note), "after": ""}
    record_change(connection, scope, "audit_log.case_event_removed", case, now, caller, changes)


def write_note(
    connection: Connection,
    scope: Scope,
    public_id: str,
    event_id: str,
    note: str,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> None:
    """Writes the note on an event of a case; an empty text deletes it."""
    case = lock_case(connection, scope, public_id)
    case_event = _read_case_event(connection, scope, case, event_id)
    text = clean_text(note)
    if len(text) > MOST_NOTE:
        raise BadRequest(f"A note can have at most {MOST_NOTE:,} characters.", code="bad_case", field="note")
    if text == case_event.note:
        return
    connection.execute(update(case_events).where(_event_clause(scope, case, case_event)).values(note=text))
    touch_case(connection, scope, case, now)
    changes = {"event": event_id, "note": {"before": shorten(case_event.note), "after": shorten(text)}}
    record_change(connection, scope, "audit_log.case_noted", case, now, caller, changes)


def _read_case_event(connection: Connection, scope: Scope, case: Case, event_id: str) -> CaseEvent:
    events = list_case_events(connection, scope, case)
    case_event = next((event for event in events if event.public_id == event_id), None)
    if case_event is None:
        raise NotFound("This event is not part of the case.", code="no_event")
    return case_event


def _event_clause(scope: Scope, case: Case, case_event: CaseEvent) -> ColumnElement[bool]:
    return (
        (case_events.c.org_id == scope.org_id)
        & (case_events.c.case_id == case.case_id)
        & (case_events.c.event_id == case_event.event_id)
    )


def _too_many() -> BadRequest:
    return BadRequest(f"A case can have at most {MOST_EVENTS} events.", code="too_many_events")


def _no_event() -> NotFound:
    return NotFound("Event not found, or you do not have access to it.", code="no_event")
