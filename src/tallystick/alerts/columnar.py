"""Counts the hits of a threshold rule in columns. A back-test may match millions of events, too many for objects.

The result equals that of `detectors.ThresholdDetector`, firing for firing; a property test compares the two. Each
group is independent of the others, so that the rows are sorted once by group and index and each group is walked
with plain lists of times: O(n log n) for the sort, amortised O(1) for each hit that comes in order of time.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tallystick.alerts.definition import RuleDefinition
from tallystick.alerts.detectors import MOST_IDS
from tallystick.work.stop_signal import check_stop, until_stop

Column = npt.NDArray[np.int64]


class HitColumns(NamedTuple):
    """Hits as parallel columns, in any order; each index occurs once.

    `at` in microseconds; `group` holds positions in `keys`; `ids` holds event ids of 16 bytes.
    """

    at: Column
    seq: Column
    group: Column
    ids: npt.NDArray[np.void]
    keys: Sequence[bytes]


class ColumnarFiring(NamedTuple):
    """A firing at the hit with index `seq`; `group` is a position in `HitColumns.keys`, `number` counts its events."""

    seq: int
    at: int
    group: int
    number: int


def find_firings(definition: RuleDefinition, columns: HitColumns) -> list[ColumnarFiring]:
    """Finds the firings of a rule that counts events, in index order."""
    order = np.lexsort((columns.seq, columns.group))
    at, seq, group = columns.at[order], columns.seq[order], columns.group[order]
    edges = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
    firings: list[ColumnarFiring] = []
    for start, end in until_stop(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        times = at[start:end].tolist()
        positions = _firing_positions(times, definition.count, definition.window_us, definition.cooldown_us)
        firings += [
            ColumnarFiring(int(seq[start + place]), times[place], int(group[start]), number)
            for place, number in positions
        ]
    firings.sort()
    return firings


def event_ids_of(
    definition: RuleDefinition, columns: HitColumns, firings: Sequence[ColumnarFiring]
) -> list[list[bytes]]:
    """Returns the ids of each firing's newest events in order of time, at most MOST_IDS for each."""
    if not firings:
        return []
    # Only the firings that are shown need their events, so that a slice of the columns around them is enough.
    times = [firing.at for firing in firings]
    near = (columns.at >= min(times) - definition.window_us) & (columns.at <= max(times) + definition.window_us)
    at, seq, group, ids = columns.at[near], columns.seq[near], columns.group[near], columns.ids[near]
    found = []
    for firing in firings:
        check_stop()
        # A hit counts only those of its group with indexes up to its own: what came later was not known then.
        rows = np.flatnonzero((group == firing.group) & (seq <= firing.seq))
        rows = rows[np.lexsort((seq[rows], at[rows]))]
        _, start, end = _largest_window(at[rows].tolist(), firing.at, definition.window_us, definition.count)
        found.append([ids[row].tobytes() for row in rows[max(start, end - MOST_IDS) : end]])
    return found


def _firing_positions(times: Sequence[int], count: int, window: int, cooldown: int) -> list[tuple[int, int]]:
    """Returns where in one group's times, given in index order, it fires, and how many events that window holds.

    Hits mostly come in order of time; then the window of the newest hit only moves forward, and `start` follows it.
    A late hit may complete a window on either side of it, so that all windows around it are counted; after it,
    `start` is found again from 0, since the insertion moved the positions of `past`.
    """
    positions: list[tuple[int, int]] = []
    past: list[int] = []
    fired_at: list[int] = []
    start = 0
    for place, at in enumerate(until_stop(times)):
        is_newest = not past or at >= past[-1]
        if is_newest:
            past.append(at)
        else:
            insort(past, at)
        if fired_at and cooldown and _in_cooldown(fired_at, at, cooldown):
            start = 0 if not is_newest else start
            continue
        if is_newest:
            since = at - window
            if past[start] < since:
                start = bisect_left(past, since, start)
            number = len(past) - start
        else:
            start = 0
            number = _largest_window(past, at, window, count)[0]
        if number >= count:
            positions.append((place, number))
            insort(fired_at, at)
    return positions


def _in_cooldown(fired_at: Sequence[int], at: int, cooldown: int) -> bool:
    """Whether a firing lies less than the cool-down away, before `at` or (for a late hit) after it."""
    if fired_at[-1] <= at:
        return at - fired_at[-1] < cooldown
    place = bisect_left(fired_at, at)
    return any(abs(time - at) < cooldown for time in fired_at[max(0, place - 1) : place + 1])


def _largest_window(past: Sequence[int], at: int, window: int, count: int) -> tuple[int, int, int]:
    """Returns the size of the fullest window that contains `at`, and its slice of `past`; the first of equal ones.

    Two pointers over the hits within a window's length of `at`: linear in their number.
    """
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
            break  # windows that start later hold fewer
    return best
