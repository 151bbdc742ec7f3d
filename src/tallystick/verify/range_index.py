"""Which record took an index: of thousands of records with thousands of ranges, found at once."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from tallystick.verify.report import IndexRanges

T = TypeVar("T")
NEVER = 1 << 64  # above every index


class RangeIndex(Generic[T]):
    """Ranges and what took them, without overlaps: where two took the same, the one counts that begins first."""

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
        """What took the index."""
        at = bisect_right(self._first, index) - 1
        return self._by[at] if at >= 0 and index <= self._last[at] else None

    def next_from(self, index: int) -> int:
        """The first index from this one on that was taken, or NEVER."""
        at = bisect_left(self._last, index)
        return max(index, self._first[at]) if at < len(self._first) else NEVER

    def split(self, first: int, end: int) -> Iterator[tuple[int, int, T | None]]:
        """All of first ≤ index < end as stretches: first, last, and what took them."""
        while first < end:
            taken = self.next_from(first)
            if taken > first:
                yield first, min(taken, end) - 1, None
                first = taken
            else:
                at = bisect_left(self._last, first)
                yield first, min(self._last[at], end - 1), self._by[at]
                first = self._last[at] + 1
