"""The timeline of a case: its events as the trail has them now, with their notes, and what is missing."""

from dataclasses import dataclass

from tallystick.cases.evidence import Held
from tallystick.cases.first_times import first_times
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Scope
from tallystick.search.find import Finder


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a case; `stored` is None when it is no longer kept, or not the reader's to see."""

    held: Held
    stored: StoredEvent | None
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """In order of time. `gaps` are sentences."""

    moments: list[Moment]
    gaps: list[str]


def timeline_of(finder: Finder, scope: Scope, held: list[Held]) -> Timeline:
    """Reads the events of a case. Blocks."""
    found = finder.several(scope, [one.event_id for one in held])
    there = [found[one.event_id] for one in held if one.event_id in found]
    firsts = first_times(finder, scope, there)
    moments = []
    for one in held:
        stored = found.get(one.event_id)
        moments.append(Moment(one, stored, tuple(firsts.words.get(stored.index, ())) if stored else ()))
    gaps = []
    if missing := len(held) - len(there):
        gaps.append(f"{_events(missing)} of this case can no longer be shown: expired, or not visible to you.")
    if firsts.unanswered:
        gaps.append("First-time activity could not be checked for every event in time.")
    return Timeline(moments, gaps)


def _events(number: int) -> str:
    return f"{number} event{'' if number == 1 else 's'}"
