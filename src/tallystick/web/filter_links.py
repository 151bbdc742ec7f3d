"""Links from a value of an event: only events that have it, or all but those. The URL is the state."""

import re
from dataclasses import dataclass

from tallystick.search.filters import QUALIFIERS
from tallystick.search.tokens import LONGEST, quoted_if_needed
from tallystick.web.filters import REPEATED, Filters

OR = re.compile(r"\bOR\b")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Where the two links lead; "" where the search box cannot say it.

    The list may be narrowed further while a panel stays open: `term` is what the links add to the
    search, and `filter` the filter that takes its place where there is one, for the script.
    """

    only: str = ""
    without: str = ""
    term: str = ""
    filter: str = ""
    value: str = ""


NOTHING = Narrowing()


def narrowing(filters: Filters, path: str, name: str, value: str) -> Narrowing:
    """The list that `path` shows, narrowed by `name` (a filter, a qualifier, or a path in the details).

    A filter takes the place of what it held; a qualifier is added to the search.
    """
    if not value or "\0" in value or "\\" in value:  # a backslash before a quote cannot be written
        return NOTHING
    term = f"{QUALIFIERS.get(name, name)}:{quoted_if_needed(value)}"
    only = filters.having(name, (value,)) if name in REPEATED else _searching(filters, term)
    without = _searching(filters, f"-{term}")
    return Narrowing(_href(only, path), _href(without, path), term, name if name in REPEATED else "", value)


def _href(filters: Filters | None, path: str) -> str:
    return filters.href(path) if filters else ""


def _searching(filters: Filters, term: str) -> Filters | None:
    words = filters.q if f" {term} " in f" {filters.q} " else f"{filters.q} {term}".strip()
    if OR.search(filters.q):
        words = f"({filters.q}) {term}"
    return filters.searching(words) if len(words) <= LONGEST else None
