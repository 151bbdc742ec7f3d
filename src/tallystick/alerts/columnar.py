"""What `judges.Threshold` finds in a long past, from columns instead of hits: a rule may match a million events."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tallystick.alerts.definition import Shape
from tallystick.alerts.judges import MOST_IDS

Column = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """Hits beside one another, in any order. Times in microseconds; `group` is a place in `keys`; `ids` are 16 bytes
    each; no index twice."""

    at: Column
    seq: Column
    group: Column
    ids: npt.NDArray[np.void]
    keys: Sequence[bytes]


class Found(NamedTuple):
    """A firing: of the group with this place in `keys`, at the hit with index `seq`."""

    seq: int
    at: int
    group: int
    number: int


def counted(shape: Shape, rows: Rows) -> list[Found]:
    """The firings of a rule that counts events, in order of index, as a judge with that past finds them."""
    order = np.lexsort((rows.seq, rows.group))
    at, seq, group = rows.at[order], rows.seq[order], rows.group[order]
    edges = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
    found: list[Found] = []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        times = at[start:end].tolist()
        mine = _fired(times, shape.count, shape.window_us, shape.cooldown_us)
        found += [Found(int(seq[start + place]), times[place], int(group[start]), number) for place, number in mine]
    found.sort()
    return found


def events_of(shape: Shape, rows: Rows, firings: Sequence[Found]) -> list[list[bytes]]:
    """Of each firing the ids of its newest events in order of time, MOST_IDS at most."""
    if not firings:
        return []
    times = [one.at for one in firings]
    near = (rows.at >= min(times) - shape.window_us) & (rows.at <= max(times) + shape.window_us)
    at, seq, group, ids = rows.at[near], rows.seq[near], rows.group[near], rows.ids[near]
    found = []
    for one in firings:
        mine = np.flatnonzero((group == one.group) & (seq <= one.seq))
        mine = mine[np.lexsort((seq[mine], at[mine]))]
        _, start, end = _most(at[mine].tolist(), one.at, shape.window_us, shape.count)
        found.append([ids[place].tobytes() for place in mine[max(start, end - MOST_IDS) : end]])
    return found


def _fired(given: Sequence[int], count: int, window: int, cooldown: int) -> list[tuple[int, int]]:
    """Of one group's times in order of index: the places at which it fires, and how many events that window holds."""
    found: list[tuple[int, int]] = []
    past: list[int] = []
    fired: list[int] = []
    start = 0  # while hits come in order of time: where the window of the last one begins
    for place, at in enumerate(given):
        is_last = not past or at >= past[-1]
        if is_last:
            past.append(at)
        else:
            insort(past, at)
        if fired and cooldown and _cools(fired, at, cooldown):
            start = 0 if not is_last else start
            continue
        if is_last:
            since = at - window
            if past[start] < since:
                start = bisect_left(past, since, start)
            number = len(past) - start
        else:
            start = 0
            number = _most(past, at, window, count)[0]
        if number >= count:
            found.append((place, number))
            insort(fired, at)
    return found


def _cools(fired: Sequence[int], at: int, cooldown: int) -> bool:
    if fired[-1] <= at:
        return at - fired[-1] < cooldown
    place = bisect_left(fired, at)
    return any(abs(time - at) < cooldown for time in fired[max(0, place - 1) : place + 1])


def _most(past: Sequence[int], at: int, window: int, count: int) -> tuple[int, int, int]:
    """How many the window around a late hit holds that holds most, and its place in the past; of several the first."""
    low, high = bisect_left(past, at - window), bisect_right(past, at + window)
    best = (0, low, high)
    if high - low < count:
        return best
    end = low
    for start in range(low, bisect_right(past, at, low, high)):
        end = bisect_right(past, past[start] + window, end, high)
        if end - start > best[0]:
            best = end - start, start, end
        if end == high:
            break  # all later ones hold fewer
    return best
