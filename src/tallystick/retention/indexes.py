"""Sets of indexes as text: `0-99,105`."""

from collections.abc import Iterable, Sequence


def written(indexes: Iterable[int]) -> str:
    """The set, ascending, neighbours joined."""
    return ",".join(_text(first, last) for first, last in _runs(sorted(set(indexes))))


def read(text: str) -> list[int]:
    """What was `written`."""
    return [index for first, last in pairs(text) for index in range(first, last + 1)]


def pairs(text: str) -> list[tuple[int, int]]:
    """The same as first-last pairs; ValueError for another text."""
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.append((int(first), int(last or first)))
    return found


def fitting(indexes: Sequence[int], most: int) -> list[int]:
    """The lowest of these whose text has at most `most` characters; at least one of them."""
    taken: list[int] = []
    length = 0
    for first, last in _runs(sorted(set(indexes))):
        length += len(_text(first, last)) + 1
        if length > most + 1 and taken:
            break
        taken += range(first, last + 1)
    return taken


def _runs(ascending: Iterable[int]) -> Iterable[tuple[int, int]]:
    first = last = -1
    for index in ascending:
        if index == last + 1 and first >= 0:
            last = index
            continue
        if first >= 0:
            yield first, last
        first = last = index
    if first >= 0:
        yield first, last


def _text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
