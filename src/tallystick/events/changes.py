"""Changes of an event, leaf by leaf: added, removed or changed, at any depth."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["is", "added", "removed", "changed"]
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One changed path. Values are JSON on one line, so that a text is not mistaken for a number, nor empty for none.

    `kind` is "is" where the event says the new value only. `keys` lead from the changes to where `value` stands: the
    new value, or the old one if it was removed.
    """

    path: str
    kind: Kind
    before: str = ""
    after: str = ""
    keys: tuple[str, ...] = field(default=(), compare=False)
    value: Any = field(default=None, compare=False)


def change_line(change: Change) -> str:
    """The change on one line: `replicas: 3 → 5`, `role: "admin"`, `team: added "ops"`, `team: removed "dev"`."""
    match change.kind:
        case "is":
            words = change.after
        case "changed":
            words = f"{change.before} → {change.after}"
        case "added":
            words = f"added {change.after}"
        case "removed":
            words = f"removed {change.before}"
    return f"{change.path}: {words}"


def changes_of(changes: Mapping[str, Any]) -> Iterator[Change]:
    """The changes of an event, in its order; `{"field": {"before": …, "after": …}}` is compared at depth."""
    for name, value in changes.items():
        yield from _changes_at((name,), value)


def one_line(value: Any) -> str:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def _changes_at(keys: Keys, value: Any) -> Iterator[Change]:
    if not isinstance(value, dict) or not value:
        yield Change(".".join(keys), "is", after=one_line(value), keys=keys, value=value)
    elif value.keys() == {"before", "after"}:
        yield from _compared(keys, (), value["before"], value["after"])
    elif value.keys() == {"after"}:
        yield _added(keys, (), value["after"])
    elif value.keys() == {"before"}:
        yield _removed(keys, (), value["before"])
    else:
        for name, inner in value.items():
            yield from _changes_at((*keys, name), inner)


def _compared(keys: Keys, below: Keys, before: Any, after: Any) -> Iterator[Change]:
    """The changes between two values that stand at `below` under `before` and `after`, both at `keys`."""
    if isinstance(before, dict) and isinstance(after, dict) and (before or after):
        for name in [*before, *(name for name in after if name not in before)]:
            inner = (*below, name)
            if name not in after:
                yield _removed(keys, inner, before[name])
            elif name not in before:
                yield _added(keys, inner, after[name])
            elif one_line(before[name]) != one_line(after[name]):
                yield from _compared(keys, inner, before[name], after[name])
    elif isinstance(before, list) and isinstance(after, list) and (items := list(_items(keys, below, before, after))):
        yield from items
    else:
        new = (*keys, "after", *below)
        yield Change(".".join(keys + below), "changed", one_line(before), one_line(after), new, after)


def _items(keys: Keys, below: Keys, before: list[Any], after: list[Any]) -> Iterator[Change]:
    """The removed and added items of two lists; nothing if only their order differs."""
    texts = {one_line(value): value for value in [*before, *after]}
    was, now = Counter(map(one_line, before)), Counter(map(one_line, after))
    for text in (was - now).elements():
        yield _removed(keys, below, texts[text])
    for text in (now - was).elements():
        yield _added(keys, below, texts[text])


def _added(keys: Keys, below: Keys, value: Any) -> Change:
    place = (*keys, "after", *below)
    return Change(".".join(keys + below), "added", after=one_line(value), keys=place, value=value)


def _removed(keys: Keys, below: Keys, value: Any) -> Change:
    place = (*keys, "before", *below)
    return Change(".".join(keys + below), "removed", before=one_line(value), keys=place, value=value)
