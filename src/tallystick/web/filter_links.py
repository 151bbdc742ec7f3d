"""Builds the "show only" and "exclude" links of an event's values."""

import re
from dataclasses import dataclass

from tallystick.search.filters import QUALIFIERS
from tallystick.search.tokens import LONGEST, quoted_if_needed
from tallystick.web.filters import REPEATED, Filters

OR = re.compile(r"\bOR\b")


@dataclass(frozen=True, slots=True)
class FilterLinks:
    """The URLs of the two links; "" if the search language cannot express the value.

    The list may be filtered further while the panel stays open. So the script builds the URLs anew: from `term`, the
    search term of the value, and from `filter`, the filter that "show only" sets instead, if there is one.
    """

    show_only: str = ""
    exclude: str = ""
    term: str = ""
    filter: str = ""
    value: str = ""


NO_LINKS = FilterLinks()


def filter_links(filters: Filters, path: str, name: str, value: str) -> FilterLinks:
    """The links of a value on the page `path`. `name` is a filter, a qualifier, or a path in the details.

    "Show only" replaces the values of a filter; a qualifier is added to the search.
    """
    if not value or "\0" in value or "\\" in value:  # the search language has no escape for a backslash before a quote
        return NO_LINKS
    term = f"{QUALIFIERS.get(name, name)}:{quoted_if_needed(value)}"
    has_filter = name in REPEATED and value == value.strip()  # blanks around the values of filters are ignored
    only = filters.with_values(name, (value,)) if has_filter else _with_term(filters, term)
    without = _with_term(filters, f"-{term}")
    return FilterLinks(_href(only, path), _href(without, path), term, name if has_filter else "", value)


def _href(filters: Filters | None, path: str) -> str:
    return filters.href(path) if filters else ""


def _with_term(filters: Filters, term: str) -> Filters | None:
    words = filters.q if f" {term} " in f" {filters.q} " else f"{filters.q} {term}".strip()
    if OR.search(filters.q):
        words = f"({filters.q}) {term}"
    return filters.with_search(words) if len(words) <= LONGEST else None
