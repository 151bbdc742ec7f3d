"""What people are looking at now: a filter is viewed once it has stayed on the screen for some seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from tallystick.access.audit import Caller
from tallystick.clock import SECOND_US
from tallystick.query.scope import Principal

REST_US = 5 * SECOND_US
# Whoever changes the filter without pause is recorded with the one of the moment, and how many there were.
LONGEST_RESTLESS_US = 30 * SECOND_US
MOST_FILTER = 8000  # characters that are recorded

Filter = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class View:
    """A view of a list of events (`filter`) or of one event (`event_id`). Times in microseconds.

    `passed` counts the filters that this one replaced before they rested; `found` says in words how many events it
    shows, if that is known. `repeats`: what the view shows is beside another view, so that it is never more than usual.
    """

    org_id: UUID
    reader: Principal
    caller: Caller
    began: int
    at: int
    filter: Filter = field(default_factory=dict)
    event_id: str = ""
    passed: int = 0
    found: str = ""
    repeats: bool = False

    @property
    def digest(self) -> bytes:
        """What equal views of one reader have in common; the text of a filter is not kept in memory for it."""
        return sha256(msgspec.json.encode([self.filter, self.event_id])).digest()

    def metadata(self) -> dict[str, Any]:
        """What the event says beside who and when."""
        said: dict[str, Any] = {"found": self.found, "passed": self.passed or None}
        if not self.event_id:
            said["filter"] = recorded_filter(self.filter)
        return said


def recorded_filter(given: Filter) -> dict[str, list[str]]:
    """A filter as an event holds it: the parameters that have values, or what says that they are too long."""
    whole = {name: list(values) for name, values in given.items() if values}
    is_short = len(msgspec.json.encode(whole)) <= MOST_FILTER
    return whole if is_short else {"q": [f"(a filter of more than {MOST_FILTER:,} characters)"]}


def normalized(given: Filter) -> Filter:
    """A filter with its values in a fixed order and single blanks, without what is empty."""
    cleaned = {name: sorted({" ".join(value.split()) for value in values} - {""}) for name, values in given.items()}
    return {name: cleaned[name] for name in sorted(cleaned) if cleaned[name]}


class OpenViews:
    """The view that each reader has open and that has not rested yet. Not thread-safe."""

    def __init__(self) -> None:
        self._open: dict[tuple[UUID, str], View] = {}

    def __len__(self) -> int:
        return len(self._open)

    def put(self, view: View) -> View | None:
        """The reader looks at this now. Returns the reader's view so far, if it rested or has to be recorded anyway."""
        key = (view.org_id, view.reader.id)
        before = self._open.get(key)
        if before is not None and before.digest == view.digest:
            self._open[key] = replace(before, found=view.found or before.found, repeats=before.repeats and view.repeats)
            return None
        if before is not None and view.repeats:
            return None  # beside the one that is open
        self._open[key] = view
        if before is None:
            return None
        if view.at - before.at >= REST_US or view.at - before.began >= LONGEST_RESTLESS_US:
            return before
        self._open[key] = replace(view, began=before.began, passed=before.passed + 1)
        return None

    def take_rested(self, now: int, *, all_of_them: bool = False) -> list[View]:
        """The views that have rested by now, or all; they are not open any more."""
        rested = [key for key, view in self._open.items() if all_of_them or now - view.at >= REST_US]
        return [self._open.pop(key) for key in rested]
