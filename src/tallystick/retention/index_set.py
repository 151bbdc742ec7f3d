"""Sets of event indexes: as text (`0-99,105`), as ranges, and with a fast membership test.

A range is a pair of its first and last index, both included.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Range = tuple[int, int]


class IndexSet:
    """A set of indexes from ranges in any order; overlapping and adjacent ones are merged.

    Memory grows with the number of merged ranges, a test takes O(log ranges).
    """

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        merged = merge_ranges(ranges)
        self._first = [first for first, _ in merged]
        self._last = [last for _, last in merged]

    def __contains__(self, index: int) -> bool:
        return self.contains_range(index, index)

    def contains_range(self, first: int, last: int) -> bool:
        """Whether all indexes from first to last are in the set."""
        # Merged ranges do not touch, so a contained range lies in the one range that begins at or before it.
        at = bisect_right(self._first, first) - 1
        return at >= 0 and last <= self._last[at]

    def outside(self, first: int, last: int) -> list[Range]:
        """The ranges of the indexes from first to last that are not in the set, ascending."""
        found: list[Range] = []
        at = first
        for place in range(max(bisect_right(self._first, first) - 1, 0), len(self._first)):
            if self._first[place] > last:
                break
            if self._first[place] > at:
                found.append((at, self._first[place] - 1))
            at = max(at, self._last[place] + 1)
        if at <= last:
            found.append((at, last))
        return found

    def count(self) -> int:
        """The number of indexes in the set."""
        return sum(last - first + 1 for first, last in zip(self._first, self._last, strict=True))

    def ranges(self) -> list[Range]:
        """The ranges, ascending; no two of them touch."""
        return list(zip(self._first, self._last, strict=True))


def merge_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Merge overlapping and adjacent ranges; returns as few as possible, ascending. O(n log n)."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def format_indexes(indexes: Iterable[int]) -> str:
    """The set as text, ascending, adjacent indexes joined into ranges."""
    return format_ranges(_ranges_of(indexes))


def format_ranges(ranges: Iterable[Range]) -> str:
    """The ranges as such a text."""
    return ",".join(_text(first, last) for first, last in ranges)


def parse_indexes(text: str) -> list[int]:
    """Every index of a text that `format_indexes` wrote, ascending."""
    return [index for first, last in parse_ranges(text) for index in range(first, last + 1)]


def parse_ranges(text: str) -> list[Range]:
    """The ranges of a text that `format_indexes` wrote; ValueError for any other text."""
    ranges: list[Range] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        ranges.append((int(first), int(last or first)))
    return ranges


def prefix_within(indexes: Sequence[int], most: int) -> list[int]:
    """The lowest indexes whose text has at most `most` characters; at least one range, so that work goes on."""
    taken: list[int] = []
    length = 0
    for first, last in _ranges_of(indexes):
        length += len(_text(first, last)) + 1
        if length > most + 1 and taken:
            break
        taken += range(first, last + 1)
    return taken


def _ranges_of(indexes: Iterable[int]) -> list[Range]:
    return merge_ranges((index, index) for index in set(indexes))


def _text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
