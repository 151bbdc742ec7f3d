"""Finds what matches a search in an event's details or sentence, for rows whose cells do not show the match."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tallystick.display_text import ELLIPSIS
from tallystick.query.case_folding import fold

DETAILS = ("changes", "request", "response", "metadata")
BEFORE, LENGTH = 12, 100  # characters; few before the match, so that it is visible in a narrow cell


def match_snippet(event: Mapping[str, Any], shown: Iterable[str], needles: tuple[str, ...]) -> str:
    """The first match as `name: value`, shortened around it, or the event's sentence if that has the needle.

    "" if the cells (`shown`) contain every needle.
    """
    if not needles:
        return ""
    folded = fold("\0".join(shown))
    for needle in needles:
        if needle not in folded:
            for path, value in _values(event):
                at = fold(value).find(needle)
                if at >= 0:
                    return f"{path.rpartition('.')[2]}: {_excerpt(value, at)}"
            sentence = str(event.get("summary", ""))
            if needle in fold(sentence):
                return sentence if len(sentence) <= LENGTH else f"{sentence[:LENGTH]}{ELLIPSIS}"
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
