"""Changes of an event, leaf by leaf: added, removed or changed, at any depth."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["is", "added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One changed path. Values are JSON on one line, so that a text is not mistaken for a number, nor empty for none.

    `kind` is "is" where the event says the new value only.
    """

    path: str
    kind: Kind
    before: str = ""
    after: str = ""


def changes_of(changes: Mapping[str, Any]) -> Iterator[Change]:
    """The changes of an event, in its order; `{"field": {"before": …, "after": …}}` is compared at depth."""
    for name, value in changes.items():
        yield from _changes_at(name, value)


def one_line(value: Any) -> str:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def _changes_at(path: str, value: Any) -> Iterator[Change]:
    if not isinstance(value, dict) or not value:
        yield Change(path, "is", after=one_line(value))
    elif value.keys() == {"before", "after"}:
        yield from _compared(path, value["before"], value["after"])
    elif value.keys() == {"after"}:
        yield Change(path, "added", after=one_line(value["after"]))
    elif value.keys() == {"before"}:
        yield Change(path, "removed", before=one_line(value["before"]))
    else:
        for name, inner in value.items():
            yield from _changes_at(f"{path}.{name}", inner)


def _compared(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict) and (before or after):
        for name in [*before, *(name for name in after if name not in before)]:
            below = f"{path}.{name}"
            if name not in after:
                yield Change(below, "removed", before=one_line(before[name]))
            elif name not in before:
                yield Change(below, "added", after=one_line(after[name]))
            elif one_line(before[name]) != one_line(after[name]):
                yield from _compared(below, before[name], after[name])
    elif isinstance(before, list) and isinstance(after, list) and (items := list(_items(path, before, after))):
        yield from items
    else:
        yield Change(path, "changed", one_line(before), one_line(after))


def _items(path: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    """The removed and added items of two lists; nothing if only their order differs."""
    was, now = Counter(map(one_line, before)), Counter(map(one_line, after))
    for value in (was - now).elements():
        yield Change(path, "removed", before=value)
    for value in (now - was).elements():
        yield Change(path, "added", after=value)
