"""The timeline of a case: its events as stored now, their notes, and what is missing."""

from dataclasses import dataclass

from tallystick.cases.case_events import CaseEvent
from tallystick.cases.first_seen import find_first_seen
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Scope
from tallystick.search.find import Finder


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """An event of a case; `stored` is None if it is no longer kept or the reader may not see it.

    `marks` say why it stands out: `First time from 192.0.2.7`.
    """

    case_event: CaseEvent
    stored: StoredEvent | None
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The events of a case in order of time, and what is missing from them in sentences (`gaps`)."""

    events: list[TimelineEvent]
    gaps: list[str]


def read_timeline(finder: Finder, scope: Scope, case_events: list[CaseEvent]) -> Timeline:
    """Reads the events of a case and looks up what was seen in them for the first time. Blocks."""
    found = finder.several(scope, [case_event.event_id for case_event in case_events])
    readable = [found[case_event.event_id] for case_event in case_events if case_event.event_id in found]
    first_seen = find_first_seen(finder, scope, readable)
    events = []
    for case_event in case_events:
        stored = found.get(case_event.event_id)
        marks = first_seen.words.get(stored.index, ()) if stored else ()
        events.append(TimelineEvent(case_event, stored, tuple(marks)))
    gaps = []
    if absent := len(case_events) - len(readable):
        why = "expired, missing," if first_seen.lacks_events else "expired,"
        gaps.append(f"{_events(absent)} of this case can no longer be shown: {why} or not visible to you.")
    return Timeline(events, gaps + first_seen.gaps)


def _events(number: int) -> str:
    return f"{number} event{'' if number == 1 else 's'}"
