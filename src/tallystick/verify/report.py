"""What was found: how many events, of which indexes, are what they should be, and what is wrong."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

CATEGORIES = ("verified", "erased", "expired", "unexplained", "altered")
MAX_SHOWN = 20
_RANGES = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?(,[0-9]{1,18}(-[0-9]{1,18})?)*", re.ASCII)


class IndexRanges:
    """A set of indexes as first-last pairs, ascending; what is added in order costs nothing."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in sorted(pairs):
            self.add(first, last)

    @classmethod
    def read(cls, text: str) -> "IndexRanges":
        """`0-99,105`; ValueError for anything else."""
        if not _RANGES.fullmatch(text):
            raise ValueError("indexes are written as 0-99,105")
        pairs: list[tuple[int, int]] = []
        for part in text.split(","):
            first, _, last = part.partition("-")
            if int(last or first) < int(first):
                raise ValueError("a range of indexes runs backwards")
            pairs.append((int(first), int(last or first)))
        return cls(pairs)

    def add(self, first: int, last: int | None = None) -> None:
        """Add first to last; not before the beginning of what was added last."""
        last = first if last is None else last
        if self._last and first <= self._last[-1] + 1:
            self._last[-1] = max(self._last[-1], last)
            return
        self._first.append(first)
        self._last.append(last)

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self._first, index) - 1
        return at >= 0 and index <= self._last[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._first, self._last, strict=True)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self)

    @property
    def largest(self) -> int:
        return self._last[-1] if self._last else -1

    def __str__(self) -> str:
        shown = [str(first) if first == last else f"{first}-{last}" for first, last in list(self)[:MAX_SHOWN]]
        return ",".join(shown) + (",…" if len(self._first) > MAX_SHOWN else "")


class Report:
    """The outcome for one file or server. It `holds` if nothing was altered, unexplained or otherwise wrong."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found = {category: IndexRanges() for category in CATEGORIES}
        self.explained: dict[str, IndexRanges] = {}
        self.problems: list[str] = []
        self.facts: list[str] = []
        self.more_problems = 0

    def add(self, category: str, first: int, last: int | None = None) -> None:
        """These indexes, after all that were added to the category before, are so."""
        self.found[category].add(first, last)

    def explain(self, how: str, record: int, first: int, last: int | None = None) -> None:
        """These indexes are erased or expired by the record at this index."""
        self.add(how, first, last)
        self.explained.setdefault(f"{how} by record {record}", IndexRanges()).add(first, last)

    def add_problem(self, problem: str) -> None:
        """Something that no index stands for."""
        if len(self.problems) < MAX_SHOWN:
            self.problems.append(problem)
        else:
            self.more_problems += 1

    def invalidate(self, problem: str) -> None:
        """Something that leaves no event proven, whatever was found to fit its entry before."""
        self.found["verified"] = IndexRanges()
        self.add_problem(problem)

    @property
    def holds(self) -> bool:
        return not (self.problems or self.found["altered"] or self.found["unexplained"])

    def as_json(self) -> dict[str, Any]:
        """Counts, indexes as first-last pairs, problems and facts, for programs."""
        return {
            "name": self.name,
            "holds": self.holds,
            **{category: len(ranges) for category, ranges in self.found.items()},
            "indexes": {category: [list(pair) for pair in ranges] for category, ranges in self.found.items()},
            "explained": {how: [list(pair) for pair in ranges] for how, ranges in self.explained.items()},
            "problems": self.problems,
            "more_problems": self.more_problems,
            "facts": self.facts,
        }

    def lines(self) -> list[str]:
        """The same for people."""
        shown = [f"{self.name}: {'holds' if self.holds else 'DOES NOT HOLD'}"]
        for category, ranges in self.found.items():
            if ranges:
                word = category.upper() if category in ("altered", "unexplained") else category
                shown.append(f"  {word:<12}{len(ranges):>12,}  {ranges}")
        shown += [f"  {how}: {ranges}" for how, ranges in self.explained.items()]
        shown += [f"  problem: {problem}" for problem in self.problems]
        shown += [f"  and {self.more_problems:,} problems more"] if self.more_problems else []
        return shown + [f"  {fact}" for fact in self.facts]
