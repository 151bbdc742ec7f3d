"""Detectors: one for each kind of rule. Hits in index order go in, firings come out.

Pure: live evaluation, back-tests and the tests of a rule run them. A detector holds the state it has seen or was
given. It evaluates a hit among the hits of its group with indexes up to its own, whatever the order of their times.
A window is closed: events exactly its length apart are in one window.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tallystick.alerts.definition import RuleDefinition
from tallystick.clock import SECOND_US

QUERY, THEN, UNLESS = 0, 1, 2
MOST_IDS = 100
HOUR_US = 3600 * SECOND_US
BASELINE_DAYS = 7
DEFAULT_BASELINE_EVENTS = 50
RARE_SHARE = 0.02
NO_VALUE = b""


class Hit(NamedTuple):
    """An event that a step of a rule matches.

    `keys` are digests of the group's names, one for each name of the user or resource; `value` is the digest of what
    is counted or new, or empty. `at` in microseconds. Hits order by time, then index.
    """

    at: int
    seq: int
    step: int
    keys: tuple[bytes, ...]
    value: bytes
    event_id: bytes


class Firing(NamedTuple):
    """A firing of a rule for one group.

    `number` events belong to it; `events` holds the newest of them in order of time, at most MOST_IDS. `hit`
    completed it; None for a silence. Times in microseconds.
    """

    key: bytes
    at: int
    number: int
    first_at: int
    last_at: int
    events: tuple[Hit, ...]
    hit: Hit | None = None


class Detector(ABC):
    """Detects the firings of one rule, and holds back those within the cool-down of another."""

    def __init__(self, definition: RuleDefinition) -> None:
        self.definition = definition
        # Times of firings by group, sorted; how many were held back, by group and time of the firing that did so.
        self.fired_at: defaultdict[bytes, list[int]] = defaultdict(list)
        self.suppressed: Counter[tuple[bytes, int]] = Counter()
        # By group: the time from which on all its state is loaded. Of other groups only what a batch needed is here.
        self.complete_since: dict[bytes, int] = {}

    def begin_batch(self) -> None:
        """Forgets the counts and changes of the last batch, whose results are written."""
        self.suppressed.clear()

    def forget(self, key: bytes) -> None:
        """Drops the state of a group, so that it can be loaded anew."""
        self.fired_at.pop(key, None)
        self.complete_since.pop(key, None)

    def process(self, hit: Hit) -> Firing | None:
        """Takes the next hit in index order; returns the firing that it completes."""
        firing = self._detect(hit)
        if firing is None or self._in_cooldown(firing.key, firing.at):
            return None
        insort(self.fired_at[firing.key], firing.at)
        return firing

    @abstractmethod
    def _detect(self, hit: Hit) -> Firing | None:
        """Adds the hit to the state; returns the firing that it completes, cool-down or not."""

    def _in_cooldown(self, key: bytes, at: int) -> bool:
        """Whether a firing of the group is less than the cool-down away; counts the hit as suppressed if so.

        Looks in both directions: a late event that belongs before a known firing is no news either.
        """
        length = self.definition.cooldown_us
        times = self.fired_at.get(key) if length else None
        if not times:
            return False
        if times[-1] <= at:
            near = times[-1:] if at - times[-1] < length else []
        else:
            place = bisect_left(times, at)
            near = [time for time in times[max(0, place - 1) : place + 1] if abs(time - at) < length]
        if near:
            self.suppressed[key, near[0]] += 1
        return bool(near)


class ThresholdDetector(Detector):
    """Fires at `count` hits of a group within the window, or at `count` different values of `distinct`."""

    def __init__(self, definition: RuleDefinition) -> None:
        super().__init__(definition)
        self.hits_by_key: defaultdict[bytes, list[Hit]] = defaultdict(list)
        # While hits come in order of time: where the window of the newest begins, and how often it has each value.
        # So a hit costs amortised O(1). A late hit or a cool-down drops the entry, and the next hit recounts.
        self._last_window: dict[bytes, tuple[int, Counter[bytes]]] = {}

    def forget(self, key: bytes) -> None:
        super().forget(key)
        self.hits_by_key.pop(key, None)
        self._last_window.pop(key, None)

    def _detect(self, hit: Hit) -> Firing | None:
        key = hit.keys[0]
        if self.definition.count == 1:
            return Firing(key, hit.at, 1, hit.at, hit.at, (hit,), hit)
        if self.definition.distinct and not hit.value:
            return None
        hits = self.hits_by_key[key]
        if hits and hit < hits[-1]:
            insort(hits, hit)
        else:
            hits.append(hit)
        if self._in_cooldown(key, hit.at):
            self._last_window.pop(key, None)
            return None
        is_newest = hits[-1] is hit
        number, start, end = self._newest_window(key, hits) if is_newest else self._largest_window(key, hits, hit)
        if number < self.definition.count:
            return None
        first, last = hits[start], hits[end - 1]
        return Firing(key, hit.at, number, first.at, last.at, tuple(hits[max(start, end - MOST_IDS) : end]), hit)

    def _newest_window(self, key: bytes, hits: Sequence[Hit]) -> tuple[int, int, int]:
        """Returns the size of the window that ends with the newest hit, and its slice of `hits`."""
        since = hits[-1].at - self.definition.window_us
        start, values = self._last_window.get(key) or (bisect_left(hits, (since,)), None)
        if values is None:
            values = Counter(one.value for one in hits[start:-1])
        values[hits[-1].value] += 1
        while hits[start].at < since:
            _decrement(values, hits[start].value)
            start += 1
        self._last_window[key] = start, values
        return len(values) if self.definition.distinct else len(hits) - start, start, len(hits)

    def _largest_window(self, key: bytes, hits: Sequence[Hit], hit: Hit) -> tuple[int, int, int]:
        """Returns the size of the fullest window that contains a late hit, and its slice; the first of equal ones.

        Two pointers over the hits within a window's length of it: linear in their number.
        """
        self._last_window.pop(key, None)
        window = self.definition.window_us
        low = bisect_left(hits, (hit.at - window,))
        high = bisect_left(hits, (hit.at + window + 1,))
        best = (0, low, high)
        values: Counter[bytes] = Counter()
        end = low
        for start in range(low, high if high - low >= self.definition.count else low):
            if hits[start].at > hit.at:
                break
            while end < high and hits[end].at <= hits[start].at + window:
                values[hits[end].value] += 1
                end += 1
            number = len(values) if self.definition.distinct else end - start
            if hits[end - 1].at >= hit.at and number > best[0]:
                best = number, start, end
            if end == high:
                break  # windows that start later hold no more
            _decrement(values, hits[start].value)
        return best


class SequenceDetector(Detector):
    """Fires at `count` hits of the query followed by one of `then` within the window, with no `unless` between."""

    def __init__(self, definition: RuleDefinition) -> None:
        super().__init__(definition)
        self.hits_by_key: dict[int, defaultdict[bytes, list[Hit]]] = {
            step: defaultdict(list) for step in (QUERY, THEN, UNLESS)
        }

    def begin_batch(self) -> None:
        super().begin_batch()
        self.hits_by_key[THEN].clear()  # not stored: evaluation reads from the store those that a batch needs

    def forget(self, key: bytes) -> None:
        super().forget(key)
        for hits in self.hits_by_key.values():
            hits.pop(key, None)

    def _detect(self, hit: Hit) -> Firing | None:
        for key in hit.keys:
            insort(self.hits_by_key[hit.step][key], hit)
        if hit.step == THEN:
            return self._ended_by(hit, hit)
        if hit.step == UNLESS:
            return None
        # A late beginning: the end of its sequence may have been evaluated before it.
        for key in hit.keys:
            ends = self.hits_by_key[THEN][key]
            low, high = bisect_left(ends, (hit.at,)), bisect_left(ends, (hit.at + self.definition.window_us + 1,))
            for then in ends[low:high]:
                if firing := self._ended_by(then, hit):
                    return firing
        return None

    def _ended_by(self, then: Hit, hit: Hit) -> Firing | None:
        """Returns the firing of the sequence that `then` ends, if `hit` takes part in it.

        Keys are tried in turn, since beginning and end may share only one of a user's names.
        """
        for key in then.keys:
            stops = self.hits_by_key[UNLESS][key]
            place = bisect_left(stops, (then.at + 1,))
            since = max(then.at - self.definition.window_us, stops[place - 1].at + 1 if place else 0)
            hits = self.hits_by_key[QUERY][key]
            low, high = bisect_left(hits, (since,)), bisect_left(hits, (then.at + 1,))
            begun = [one for one in hits[low:high] if one.seq != then.seq]
            if len(begun) >= self.definition.count and (hit is then or hit in begun):
                events = (*begun[1 - MOST_IDS :], then)
                return Firing(then.keys[0], hit.at, len(begun) + 1, begun[0].at, then.at, events, then)
        return None


class BaselineDetector(Detector):
    """Compares hits with what is usual for their group. `memory`: key → value → (latest time, data)."""

    def __init__(self, definition: RuleDefinition) -> None:
        super().__init__(definition)
        self.memory: defaultdict[bytes, dict[bytes, tuple[int, Any]]] = defaultdict(dict)
        self.changed: set[tuple[bytes, bytes]] = set()  # entries of `memory` to be saved

    def begin_batch(self) -> None:
        super().begin_batch()
        self.changed.clear()

    def forget(self, key: bytes) -> None:
        super().forget(key)
        self.memory.pop(key, None)

    def learn(self, hit: Hit) -> None:
        """Adds a hit from before the rule was enabled to the baseline; fires nothing."""
        self._detect(hit)

    def _set_baseline(self, key: bytes, value: bytes, at: int, data: Any = None) -> None:
        self.memory[key][value] = (at, data)
        self.changed.add((key, value))


class FirstSeenDetector(BaselineDetector):
    """Fires at a value that is new to its group, if the group had another one before.

    With a window, a value that the group did not have for so long is new again.
    """

    def _detect(self, hit: Hit) -> Firing | None:
        key, value, window = hit.keys[0], hit.value, self.definition.window_us
        seen = self.memory[key]
        if not value or (value in seen and not window):
            return None
        last = seen[value][0] if value in seen else None
        had_another = len(seen) > (last is not None)
        if last is None or hit.at > last:
            self._set_baseline(key, value, hit.at)
        is_new = last is None or hit.at - last >= window
        return _single_firing(hit) if is_new and had_another else None


class DormantDetector(BaselineDetector):
    """Fires at the first hit of a group that was inactive for the window."""

    def _detect(self, hit: Hit) -> Firing | None:
        last = self.memory[hit.keys[0]].get(NO_VALUE)
        if last is None or hit.at > last[0]:
            self._set_baseline(hit.keys[0], NO_VALUE, hit.at)
        if last is None or hit.at - last[0] < self.definition.window_us:
            return None
        return _single_firing(hit)


class OffHoursDetector(BaselineDetector):
    """Fires at an hour of the day (UTC) at which the group rarely acts, once it has a baseline.

    The hours on either side count as the same hour, so that a change to summer time is not unusual.
    """

    def _detect(self, hit: Hit) -> Firing | None:
        key, hour = hit.keys[0], hit.at // HOUR_US % 24
        at, data = self.memory[key].get(NO_VALUE, (hit.at, None))
        hours: list[int] = list(data["hours"]) if data else [0] * 24
        first: int = data["first"] if data else hit.at
        total = sum(hours)
        near = hours[hour - 1] + hours[hour] + hours[(hour + 1) % 24]
        hours[hour] += 1
        self._set_baseline(key, NO_VALUE, max(at, hit.at), {"hours": hours, "first": min(first, hit.at)})
        least = self.definition.count if self.definition.count > 1 else DEFAULT_BASELINE_EVENTS
        if total < least or at - first < BASELINE_DAYS * 24 * HOUR_US or near > total * RARE_SHARE:
            return None
        return _single_firing(hit)


class SilenceDetector(BaselineDetector):
    """Fires when a group had no event for the window, by the server's clock; once until its next event."""

    def _detect(self, hit: Hit) -> Firing | None:
        at, _ = self.memory[hit.keys[0]].get(NO_VALUE, (0, None))
        if hit.at >= at:
            self._set_baseline(hit.keys[0], NO_VALUE, hit.at, {"id": hit.event_id.hex(), "index": hit.seq})
        return None

    def find_silent(self, now: int) -> list[Firing]:
        """Returns a firing for each group that has become silent by `now` (microseconds)."""
        firings = []
        for key, values in self.memory.items():
            at, data = values.get(NO_VALUE, (now, None))
            if now - at < self.definition.window_us or (data or {}).get("told"):
                continue
            self._set_baseline(key, NO_VALUE, at, {**(data or {}), "told": True})
            last = Hit(at, data["index"], QUERY, (key,), b"", bytes.fromhex(data["id"])) if data else None
            firings.append(Firing(key, now, 0, at, at, (last,) if last else (), last))
        return firings


_DETECTORS: dict[str, type[Detector]] = {
    "threshold": ThresholdDetector,
    "sequence": SequenceDetector,
    "first_seen": FirstSeenDetector,
    "dormant": DormantDetector,
    "off_hours": OffHoursDetector,
    "silence": SilenceDetector,
}


def new_detector(definition: RuleDefinition) -> Detector:
    """Creates the detector of a rule's kind, without state."""
    make: Callable[[RuleDefinition], Detector] = _DETECTORS[definition.kind]
    return make(definition)


def run_detector(detector: Detector, hits: Iterable[Hit]) -> Iterator[tuple[Firing, Hit]]:
    """Yields each firing and the hit that caused it, for hits in index order. An event fires a rule at most once."""
    last_fired = -1
    for hit in hits:
        if hit.seq != last_fired and (firing := detector.process(hit)) is not None:
            last_fired = hit.seq
            yield firing, hit


def _single_firing(hit: Hit) -> Firing:
    return Firing(hit.keys[0], hit.at, 1, hit.at, hit.at, (hit,), hit)


def _decrement(values: Counter[bytes], value: bytes) -> None:
    values[value] -= 1
    if not values[value]:
        del values[value]
