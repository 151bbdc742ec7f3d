"""The judges: hits in index order go in, firings come out. Pure; live, back-tests and a rule's own tests use them.

A judge knows the past that it saw, or that it was given. A hit is judged among those of its group with indexes
up to its own, whatever the order of their times. A window is closed: events exactly its length apart share it.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tallystick.alerts.definition import Shape
from tallystick.clock import SECOND_US

QUERY, THEN, UNLESS = 0, 1, 2
MOST_IDS = 100
HOUR_US = 3600 * SECOND_US
HABIT_DAYS = 7
DEFAULT_HABIT = 50
SELDOM = 0.02
NOTHING = b""


class Hit(NamedTuple):
    """An event that a rule looks at. `keys` stand for its group, one for each of its names; `value` for what is
    counted or new. Times in microseconds."""

    at: int
    seq: int
    step: int
    keys: tuple[bytes, ...]
    value: bytes
    event_id: bytes


class Firing(NamedTuple):
    """What a rule found: `events` in order of time, at most MOST_IDS of `number`, the newest."""

    key: bytes
    at: int
    number: int
    first_at: int
    last_at: int
    events: tuple[Hit, ...]
    hit: Hit | None = None  # that completed it
    before: int = 0  # dormant: when the group was last heard of; off_hours: how many events are known


class Judge(ABC):
    """What all judges share: the cool-down of each group."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.fired: defaultdict[bytes, list[int]] = defaultdict(list)
        self.suppressed: Counter[tuple[bytes, int]] = Counter()
        # From which time on it knows all there is of a group; of others it knows what the next hits need.
        self.known: dict[bytes, int] = {}

    def begin(self) -> None:
        """With the next batch: what came of the last one is written down."""
        self.suppressed.clear()

    def forget(self, key: bytes) -> None:
        """What it knows of a group."""
        self.fired.pop(key, None)
        self.known.pop(key, None)

    def see(self, hit: Hit) -> Firing | None:
        """The next hit in index order."""
        firing = self._judge(hit)
        if firing is None or self._cools(firing.key, firing.at):
            return None
        insort(self.fired[firing.key], firing.at)
        return firing

    @abstractmethod
    def _judge(self, hit: Hit) -> Firing | None:
        """What the hit completes, whether or not the group is cooling down."""

    def _cools(self, key: bytes, at: int) -> bool:
        """Whether this falls into the cool-down of a firing, after it or before: a late event is no news either."""
        length = self.shape.cooldown_us
        times = self.fired.get(key) if length else None
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


class Threshold(Judge):
    """At least `count` hits of a group within the window, or hits with so many different values."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.past: defaultdict[bytes, list[Hit]] = defaultdict(list)
        # While hits come in order of time: where the window of the last one begins, and its values.
        self._window: dict[bytes, tuple[int, Counter[bytes]]] = {}

    def forget(self, key: bytes) -> None:
        super().forget(key)
        self.past.pop(key, None)
        self._window.pop(key, None)

    def _judge(self, hit: Hit) -> Firing | None:
        key = hit.keys[0]
        if self.shape.count == 1:
            return Firing(key, hit.at, 1, hit.at, hit.at, (hit,), hit)
        if self.shape.distinct and not hit.value:
            return None
        past = self.past[key]
        if past and hit < past[-1]:
            insort(past, hit)
        else:
            past.append(hit)
        if self._cools(key, hit.at):
            self._window.pop(key, None)
            return None
        number, start, end = self._last(key, past) if past[-1] is hit else self._most(key, past, hit)
        if number < self.shape.count:
            return None
        first, last = past[start], past[end - 1]
        return Firing(key, hit.at, number, first.at, last.at, tuple(past[max(start, end - MOST_IDS) : end]), hit)

    def _last(self, key: bytes, past: Sequence[Hit]) -> tuple[int, int, int]:
        """How many the window holds that ends with the last hit, and its place in the past."""
        since = past[-1].at - self.shape.window_us
        start, values = self._window.get(key) or (bisect_left(past, (since,)), None)
        if values is None:
            values = Counter(one.value for one in past[start:-1])
        values[past[-1].value] += 1
        while past[start].at < since:
            _take(values, past[start].value)
            start += 1
        self._window[key] = start, values
        return len(values) if self.shape.distinct else len(past) - start, start, len(past)

    def _most(self, key: bytes, past: Sequence[Hit], hit: Hit) -> tuple[int, int, int]:
        """The same of the window around a late hit that holds most; of several the first."""
        self._window.pop(key, None)
        window = self.shape.window_us
        low = bisect_left(past, (hit.at - window,))
        high = bisect_left(past, (hit.at + window + 1,))
        best = (0, low, high)
        values: Counter[bytes] = Counter()
        end = low
        for start in range(low, high if high - low >= self.shape.count else low):
            if past[start].at > hit.at:
                break
            while end < high and past[end].at <= past[start].at + window:
                values[past[end].value] += 1
                end += 1
            number = len(values) if self.shape.distinct else end - start
            if past[end - 1].at >= hit.at and number > best[0]:
                best = number, start, end
            if end == high:
                break  # all later ones hold no more
            _take(values, past[start].value)
        return best


class InOrder(Judge):
    """`count` hits of the query, then one of `then` within the window, and none of `unless` between them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.past: dict[int, defaultdict[bytes, list[Hit]]] = {
            step: defaultdict(list) for step in (QUERY, THEN, UNLESS)
        }

    def begin(self) -> None:
        super().begin()
        self.past[THEN].clear()  # the store is asked for those

    def forget(self, key: bytes) -> None:
        super().forget(key)
        for past in self.past.values():
            past.pop(key, None)

    def _judge(self, hit: Hit) -> Firing | None:
        for key in hit.keys:
            insort(self.past[hit.step][key], hit)
        if hit.step == THEN:
            return self._ended_by(hit, hit)
        if hit.step == UNLESS:
            return None
        # It came late: what ended the sequence may have been judged before.
        for key in hit.keys:
            later = self.past[THEN][key]
            for then in later[bisect_left(later, (hit.at,)) : bisect_left(later, (hit.at + self.shape.window_us + 1,))]:
                if firing := self._ended_by(then, hit):
                    return firing
        return None

    def _ended_by(self, then: Hit, hit: Hit) -> Firing | None:
        for key in then.keys:
            stops = self.past[UNLESS][key]
            place = bisect_left(stops, (then.at + 1,))
            since = max(then.at - self.shape.window_us, stops[place - 1].at + 1 if place else 0)
            first = self.past[QUERY][key]
            held = [one for one in first[bisect_left(first, (since,)) : bisect_left(first, (then.at + 1,))]
                    if one.seq != then.seq]  # fmt: skip
            if len(held) >= self.shape.count and (hit is then or hit in held):
                events = (*held[1 - MOST_IDS :], then)
                return Firing(then.keys[0], hit.at, len(held) + 1, held[0].at, then.at, events, then)
        return None


class Remembering(Judge):
    """What is usual of each group. `memory`: key → value → (latest time, data)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.memory: defaultdict[bytes, dict[bytes, tuple[int, Any]]] = defaultdict(dict)
        self.touched: set[tuple[bytes, bytes]] = set()

    def begin(self) -> None:
        super().begin()
        self.touched.clear()

    def forget(self, key: bytes) -> None:
        super().forget(key)
        self.memory.pop(key, None)

    def _remember(self, key: bytes, value: bytes, at: int, data: Any = None) -> None:
        self.memory[key][value] = (at, data)
        self.touched.add((key, value))

    def learn(self, hit: Hit) -> None:
        """A hit from before the rule was on."""
        self._judge(hit)

    def _alone(self, hit: Hit, before: int = 0) -> Firing:
        return Firing(hit.keys[0], hit.at, 1, hit.at, hit.at, (hit,), hit, before)


class FirstSeen(Remembering):
    """A value that the group never had, when it had another."""

    def _judge(self, hit: Hit) -> Firing | None:
        known = self.memory[hit.keys[0]]
        if not hit.value or hit.value in known:
            return None
        is_news = bool(known)
        self._remember(hit.keys[0], hit.value, hit.at)
        return self._alone(hit) if is_news else None


class Dormant(Remembering):
    """The first hit after the group was silent for the window."""

    def _judge(self, hit: Hit) -> Firing | None:
        last = self.memory[hit.keys[0]].get(NOTHING)
        if last is None or hit.at > last[0]:
            self._remember(hit.keys[0], NOTHING, hit.at)
        if last is None or hit.at - last[0] < self.shape.window_us:
            return None
        return self._alone(hit, last[0])


class OffHours(Remembering):
    """An hour of the day, in UTC, at which the group seldom acts, nor in the hours beside it.

    The hour beside it counts as usual, so that a change to summer time makes nobody a stranger.
    """

    def _judge(self, hit: Hit) -> Firing | None:
        key, hour = hit.keys[0], hit.at // HOUR_US % 24
        at, data = self.memory[key].get(NOTHING, (hit.at, None))
        hours: list[int] = list(data["hours"]) if data else [0] * 24
        first: int = data["first"] if data else hit.at
        total = sum(hours)
        near = hours[hour - 1] + hours[hour] + hours[(hour + 1) % 24]
        hours[hour] += 1
        self._remember(key, NOTHING, max(at, hit.at), {"hours": hours, "first": min(first, hit.at)})
        enough = self.shape.count if self.shape.count > 1 else DEFAULT_HABIT
        if total < enough or at - first < HABIT_DAYS * 24 * HOUR_US or near > total * SELDOM:
            return None
        return self._alone(hit, total)


class Silence(Remembering):
    """Nothing of a group for the window, by the clock of this server. One firing until it is heard again."""

    def _judge(self, hit: Hit) -> Firing | None:
        at, _ = self.memory[hit.keys[0]].get(NOTHING, (0, None))
        if hit.at >= at:
            self._remember(hit.keys[0], NOTHING, hit.at, {"id": hit.event_id.hex(), "index": hit.seq})
        return None

    def silent(self, now: int) -> list[Firing]:
        """The groups that fell silent; `now` in microseconds."""
        found = []
        for key, values in self.memory.items():
            at, data = values.get(NOTHING, (now, None))
            if now - at < self.shape.window_us or (data or {}).get("told"):
                continue
            self._remember(key, NOTHING, at, {**(data or {}), "told": True})
            last = Hit(at, data["index"], QUERY, (key,), b"", bytes.fromhex(data["id"])) if data else None
            found.append(Firing(key, now, 0, at, at, (last,) if last else (), last))
        return found


_JUDGES: dict[str, type[Judge]] = {
    "threshold": Threshold,
    "sequence": InOrder,
    "first_seen": FirstSeen,
    "dormant": Dormant,
    "off_hours": OffHours,
    "silence": Silence,
}


def judge_for(shape: Shape) -> Judge:
    """A judge that knows nothing yet."""
    make: Callable[[Shape], Judge] = _JUDGES[shape.kind]
    return make(shape)


def fired_by(judge: Judge, hits: Iterable[Hit]) -> Iterator[tuple[Firing, Hit]]:
    """What a judge finds in hits in index order, and the hit at which it did. An event fires a rule once."""
    told = -1
    for hit in hits:
        if hit.seq != told and (firing := judge.see(hit)) is not None:
            told = hit.seq
            yield firing, hit


def _take(values: Counter[bytes], value: bytes) -> None:
    values[value] -= 1
    if not values[value]:
        del values[value]
