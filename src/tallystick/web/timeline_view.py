"""An event in a timeline: its row, the sentence, and why it stands out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from tallystick.events.changes import changes_of
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.web.event_view import Row, row_of

MOST_TOLD = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """`same` are the threads it shares with the event in the middle, `marks` why it stands out."""

    row: Row
    summary: str
    told: list[str]
    same: Sequence[str]
    marks: Sequence[str]


def entry_of(stored: StoredEvent, zone: tzinfo, same: Sequence[str] = (), marks: Sequence[str] = ()) -> Entry:
    """The entry for an event; times in `zone`. What it tells are the first of its changes, briefly."""
    event = event_of(stored)
    told = [
        f"{change.path}: {change.before + ' → ' if change.before else ''}{change.after}"[:200]
        for change in changes_of(event.get("changes", {}))
    ]
    return Entry(row_of(stored, zone), event["summary"], told[:MOST_TOLD], same, marks)
