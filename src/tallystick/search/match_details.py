"""Evaluates conditions on values in the details in Python; equivalent to `store.details_sql`."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tallystick.query.case_folding import fold
from tallystick.query.conditions import (
    And,
    AtPath,
    Condition,
    HasPath,
    InDetails,
    InElement,
    Not,
    Or,
    ValueAtPath,
)
from tallystick.query.typed_values import passes
from tallystick.search.event_block import EventBlock

Leaves = list[tuple[str, str]]
"""The values in an element of a list: each folded path, which begins with a dot, and the folded value."""


def has_value(block: EventBlock, row: int, condition: InDetails) -> bool:
    """Whether the event of the row fulfils the condition."""
    if isinstance(condition, InElement):
        elements = _elements(block.details_json(row), "", f".{condition.path}")
        leaves = (list(_leaves(one, "")) for one in elements)
        return any(_fits(some, condition.condition) for some in leaves if some)
    return _passes(block.values_at(row, condition.path), condition)


def _passes(values: Iterable[str], condition: AtPath | HasPath | ValueAtPath) -> bool:
    match condition:
        case AtPath(_, needles):
            return any(needle in value for value in values for needle in needles)
        case HasPath():
            return next(iter(values), None) is not None
        case ValueAtPath(_, test):
            return any(passes(value, test) for value in values)


def _fits(leaves: Leaves, condition: Condition) -> bool:
    match condition:
        case Not(inner):
            return not _fits(leaves, inner)
        case And(conditions):
            return all(_fits(leaves, one) for one in conditions)
        case Or(conditions):
            return any(_fits(leaves, one) for one in conditions)
        case AtPath() | HasPath() | ValueAtPath():
            here, below = f".{condition.path}", f".{condition.path}."
            found = (value for path, value in leaves if path == here or path.startswith(below))
            return _passes(found, condition)
        case _:
            raise TypeError(f"{type(condition).__name__} is no condition on an element.")


def _elements(value: Any, at: str, path: str) -> Iterator[Any]:
    """What stands at the path, lists on the way and there being replaced by their elements."""
    if isinstance(value, list):
        for one in value:
            yield from _elements(one, at, path)
    elif at == path:
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            below = f"{at}.{fold(key)}"
            if below == path or path.startswith(f"{below}."):
                yield from _elements(one, below, path)


def _leaves(value: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, f"{at}.{fold(key)}")
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, at)
    elif value is not None:
        yield at, fold(value if isinstance(value, str) else _number_text(value))


def _number_text(value: Any) -> str:
    return str(value) if type(value) is int else msgspec.json.encode(value).decode()
