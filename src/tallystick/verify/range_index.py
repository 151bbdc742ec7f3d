"""An index over ranges: finds the record that covers an event, among thousands of records with thousands of ranges."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from tallystick.verify.report import IndexRanges

T = TypeVar("T")
NEVER = 1 << 64  # above every index


class RangeIndex(Generic[T]):
    """Maps indexes to the record that covers them; where two records overlap, the range that begins first counts.

    Overlaps are cut off when it is built, O(n log n), so that every lookup is a binary search.
    """

    def __init__(self, takers: Iterable[tuple[IndexRanges, T]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        self._by: list[T] = []
        pairs = [(first, last, taker) for ranges, taker in takers for first, last in ranges]
        pairs.sort(key=lambda pair: pair[:2])
        reached = -1
        for first, last, taker in pairs:
            if last > reached:
                self._first.append(max(first, reached + 1))
                self._last.append(last)
                self._by.append(taker)
                reached = last

    def find(self, index: int) -> T | None:
        """The record that covers the index, or None."""
        at = bisect_right(self._first, index) - 1
        return self._by[at] if at >= 0 and index <= self._last[at] else None

    def next_from(self, index: int) -> int:
        """The first covered index at or after this one, or NEVER."""
        at = bisect_left(self._last, index)
        return max(index, self._first[at]) if at < len(self._first) else NEVER

    def split(self, first: int, end: int) -> Iterator[tuple[int, int, T | None]]:
        """Divide first ≤ index < end into ranges (first, last, record); the record is None where none covers them."""
        while first < end:
            taken = self.next_from(first)
            if taken > first:
                yield first, min(taken, end) - 1, None
                first = taken
            else:
                at = bisect_left(self._last, first)
                yield first, min(self._last[at], end - 1), self._by[at]
                first = self._last[at] + 1
