"""The report of a check: the indexes of verified, erased, expired, lost, unexplained and altered events; problems."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

CATEGORIES = ("verified", "erased", "expired", "lost", "unexplained", "altered")
FAILURES = ("lost", "unexplained", "altered")
MAX_SHOWN = 20
_RANGES = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?(,[0-9]{1,18}(-[0-9]{1,18})?)*", re.ASCII)


class IndexRanges:
    """A set of indexes as ascending ranges; adding in order takes constant time."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in sorted(pairs):
            self.add(first, last)

    @classmethod
    def read(cls, text: str) -> "IndexRanges":
        """Parse a text such as `0-99,105`; ValueError for anything else."""
        if not _RANGES.fullmatch(text):
            raise ValueError("indexes must be written as in 0-99,105")
        pairs: list[tuple[int, int]] = []
        for part in text.split(","):
            first, _, last = part.partition("-")
            if int(last or first) < int(first):
                raise ValueError("a range of indexes ends before it begins")
            pairs.append((int(first), int(last or first)))
        return cls(pairs)

    def add(self, first: int, last: int | None = None) -> None:
        """Add the range from first to last, which must not begin before the range added last."""
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
    """The result for one file or server. It `holds` if nothing is altered, unexplained or lost, and without problems.

    Lost events are those that the log itself says the server lost.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.found = {category: IndexRanges() for category in CATEGORIES}
        self.explained: dict[str, IndexRanges] = {}
        self.problems: list[str] = []
        self.facts: list[str] = []
        self.more_problems = 0

    def add(self, category: str, first: int, last: int | None = None) -> None:
        """Add a range to a category; ranges of a category come in order."""
        self.found[category].add(first, last)

    def explain(self, how: str, record: int, first: int, last: int | None = None) -> None:
        """Add a range that the record at index `record` explains; `how` is erased, expired or lost."""
        self.add(how, first, last)
        self.explained.setdefault(f"{how} by record {record}", IndexRanges()).add(first, last)

    def add_problem(self, problem: str) -> None:
        """Add a problem that does not belong to an index."""
        if len(self.problems) < MAX_SHOWN:
            self.problems.append(problem)
        else:
            self.more_problems += 1

    def invalidate(self, problem: str) -> None:
        """Add a problem after which no event counts as verified, such as a wrong root."""
        self.found["verified"] = IndexRanges()
        self.add_problem(problem)

    @property
    def holds(self) -> bool:
        return not (self.problems or any(self.found[category] for category in FAILURES))

    def as_json(self) -> dict[str, Any]:
        """The report for JSON: counts, ranges of indexes, problems and facts."""
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
        """The report as lines of text."""
        shown = [f"{self.name}: {'holds' if self.holds else 'DOES NOT HOLD'}"]
        for category, ranges in self.found.items():
            if ranges:
                word = category.upper() if category in FAILURES else category
                shown.append(f"  {word:<12}{len(ranges):>12,}  {ranges}")
        shown += [f"  {how}: {ranges}" for how, ranges in self.explained.items()]
        shown += [f"  problem: {problem}" for problem in self.problems]
        shown += [f"  and {self.more_problems:,} more problems"] if self.more_problems else []
        return shown + [f"  {fact}" for fact in self.facts]
