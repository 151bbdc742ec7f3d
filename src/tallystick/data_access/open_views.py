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
# Who changes the filter for so long without a pause is recorded with the present one, and the number of the others.
LONGEST_RESTLESS_US = 30 * SECOND_US
MOST_FILTER = 16_000  # bytes that are recorded
LEAST_VALUE = 20  # characters that are recorded of each value of a longer filter
MOST_VALUES = 1000

Filter = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class View:
    """A view of a list of events (`filter`) or of one event (`event_id`). Times in microseconds.

    `passed` counts the filters that this one replaced before they rested, and `replaced` is the digest of the last of
    them; `found` says in words how many events it shows, if that is known. `is_supplement`: what the view shows belongs
    to a list or an event that is noted itself, such as its counts.
    """

    org_id: UUID
    reader: Principal
    caller: Caller
    began: int
    at: int
    filter: Filter = field(default_factory=dict)
    event_id: str = ""
    passed: int = 0
    replaced: bytes = b""
    found: str = ""
    is_supplement: bool = False

    @property
    def digest(self) -> bytes:
        """What equal views of one reader have in common; the text of a filter is not kept in memory for it."""
        return sha256(msgspec.json.encode([self.filter, self.event_id])).digest()

    def metadata(self) -> dict[str, Any]:
        """What the event says beside who and when."""
        metadata: dict[str, Any] = {"found": self.found, "passed": self.passed or None}
        if not self.event_id:
            metadata["filter"] = recorded_filter(self.filter)
        return metadata


def recorded_filter(given: Filter) -> dict[str, list[str]]:
    """A filter as an event holds it: the parameters that have values.

    Of one that is too long, values are there with their beginning and end, so that a long one hides no other one; and
    if there are too many of them even so, the first ones of each parameter, with the number of the others.
    """
    length, most = MOST_FILTER, MOST_VALUES
    whole = {name: list(values) for name, values in given.items() if values}
    while len(msgspec.json.encode(whole)) > MOST_FILTER:
        length, most = max(length // 2, LEAST_VALUE), most if length > LEAST_VALUE else most // 2
        whole = {name: _shortened(values, length, most) for name, values in given.items() if values}
    return whole


def _shortened(values: Sequence[str], length: int, most: int) -> list[str]:
    head, tail = length - length // 2, length // 2
    shown = [value if len(value) <= length else f"{value[:head]}…{value[-tail:]}" for value in values[:most]]
    return [*shown, f"(and {len(values) - most} more)"] if len(values) > most else shown


def normalized(given: Filter) -> Filter:
    """A filter with its values in a fixed order and single blanks, without what is empty."""
    cleaned = {name: sorted({" ".join(value.split()) for value in values} - {""}) for name, values in given.items()}
    return {name: cleaned[name] for name in sorted(cleaned) if cleaned[name]}


class OpenViews:
    """The views that each reader has open and that have not rested yet: at most a list and a supplement of another one.

    Not thread-safe.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[UUID, str, bool], View] = {}

    def __len__(self) -> int:
        return len(self._open)

    def put(self, view: View) -> View | None:
        """Note what the reader looks at now. Returns what the reader looked at before, if that is to be recorded.

        A supplement of the open list, or of the filter that the list had just before, adds nothing to it. Any other one
        is a view of its own, whatever list is open.
        """
        key = (view.org_id, view.reader.id, view.is_supplement)
        of_list, of_supplement = (view.org_id, view.reader.id, False), (view.org_id, view.reader.id, True)
        shown = self._open.get(of_list)
        if view.is_supplement and shown is not None and view.digest in (shown.digest, shown.replaced):
            if view.digest == shown.digest and view.found:
                self._open[of_list] = replace(shown, found=view.found)
            return None
        before = self._open.get(key)
        if before is not None and before.digest == view.digest:
            self._open[key] = replace(before, found=view.found or before.found)
            return None
        first = None if view.is_supplement else self._open.get(of_supplement)
        if first is not None and first.digest == view.digest:
            del self._open[of_supplement]  # its counts came before the list
            view = replace(view, began=first.began, at=first.at, passed=first.passed)
        self._open[key] = view
        if before is None:
            return None
        if view.at - before.at >= REST_US or view.at - before.began >= LONGEST_RESTLESS_US:
            return before
        passed = before.passed + view.passed + 1
        self._open[key] = replace(view, began=before.began, passed=passed, replaced=before.digest)
        return None

    def take_rested(self, now: int, *, all_of_them: bool = False) -> list[View]:
        """The views that have rested by now, or all; they are not open any more."""
        rested = [key for key, view in self._open.items() if all_of_them or now - view.at >= REST_US]
        return [self._open.pop(key) for key in rested]
