"""Links from a value of an event: only events that have it, or all but those. The URL is the state."""

import re
from dataclasses import dataclass

from tallystick.search.filters import QUALIFIERS
from tallystick.search.tokens import LONGEST, quoted_if_needed
from tallystick.web.filters import REPEATED, Filters

OR = re.compile(r"\bOR\b")


@dataclass(frozen=True, slots=True)
class FilterLinks:
    """Where the two links lead; "" where the search box cannot say it.

    The list may be narrowed further while a panel stays open: `term` is what the links add to the
    search, and `filter` the filter that takes its place where there is one, for the script.
    """

    show_only: str = ""
    exclude: str = ""
    term: str = ""
    filter: str = ""
    value: str = ""


NO_LINKS = FilterLinks()


def filter_links(filters: Filters, path: str, name: str, value: str) -> FilterLinks:
    """The list that `path` shows, narrowed by `name` (a filter, a qualifier, or a path in the details).

    A filter takes the place of what it held; a qualifier is added to the search.
    """
    if not value or "\0" in value or "\\" in value:  # a backslash before a quote cannot be written
        return NO_LINKS
    term = f"{QUALIFIERS.get(name, name)}:{quoted_if_needed(value)}"
    only = filters.with_values(name, (value,)) if name in REPEATED else _with_term(filters, term)
    without = _with_term(filters, f"-{term}")
    return FilterLinks(_href(only, path), _href(without, path), term, name if name in REPEATED else "", value)


def _href(filters: Filters | None, path: str) -> str:
    return filters.href(path) if filters else ""


def _with_term(filters: Filters, term: str) -> Filters | None:
    words = filters.q if f" {term} " in f" {filters.q} " else f"{filters.q} {term}".strip()
    if OR.search(filters.q):
        words = f"({filters.q}) {term}"
    return filters.with_search(words) if len(words) <= LONGEST else None
