"""Why an event was found where none of its cells tells: the first value of its details that holds it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tallystick.query.fold import fold

DETAILS = ("changes", "request", "response", "metadata")
BEFORE, LENGTH = 12, 100  # characters: the place itself is to be seen where a cell is narrow


def match_snippet(event: Mapping[str, Any], shown: Iterable[str], needles: tuple[str, ...]) -> str:
    """`name: value`, cut around the place; "" when every needle stands in what is shown, or in no value."""
    if not needles:
        return ""
    folded = fold("\0".join(shown))
    for needle in needles:
        if needle not in folded:
            for path, value in _values(event):
                at = fold(value).find(needle)
                if at >= 0:
                    return f"{path.rpartition('.')[2]}: {_excerpt(value, at)}"
    return ""


def _values(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in DETAILS:
        yield from _leaves(name, event.get(name, {}))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(f"{path}.{key}", below)
    elif isinstance(value, list):
        for below in value:
            yield from _leaves(path, below)
    elif isinstance(value, bool):
        yield path, str(value).lower()
    elif value is not None:
        yield path, str(value)


def _excerpt(value: str, at: int) -> str:
    start = value.rfind(" ", 0, max(0, at - 1)) + 1 if at > BEFORE else 0
    start = max(start, at - BEFORE, 0)
    part = value[start : start + LENGTH]
    return f"{'…' if start else ''}{part}{'…' if start + LENGTH < len(value) else ''}"
