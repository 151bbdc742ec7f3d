"""Builds the "show only" and "exclude" links of an event's values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tallystick.query.case_folding import fold
from tallystick.query.conditions import And, AtPath, Condition
from tallystick.query.values import literal_pattern
from tallystick.search.filters import QUALIFIERS
from tallystick.search.grammar import parse
from tallystick.search.tokens import QueryMistake, path_term, quoted_pattern
from tallystick.web.filters import REPEATED, Filters

OR = re.compile(r"\bOR\b|\|", re.IGNORECASE)  # in capitals or beside a qualifier, or a sign for it
_LINE_BREAKS = frozenset("\n\r")
# The name of a term, with its colon; keys of a path may be in quotes.
_NAME = re.compile(r'(?:"(?:\\"|[^"])*"|[^":])*:')


@dataclass(frozen=True, slots=True)
class FilterLinks:
    """The URLs of the two links; "" if no search can express the value, or it cannot be added to the search.

    The list may be filtered further while the panel stays open. So the script builds the URLs anew: from `term`, the
    search term of the value, and from `filter`, the filter that "show only" sets to `value` instead, if there is one.
    """

    show_only: str = ""
    exclude: str = ""
    term: str = ""
    filter: str = ""
    value: str = ""


NO_LINKS = FilterLinks()


def filter_links(filters: Filters, path: str, name: str, value: str) -> FilterLinks:
    """The links of a value on the page `path`. `name` is a filter or a qualifier.

    "Show only" replaces the values of a filter; a qualifier is added to the search.
    """
    if not value or not is_one_line(value):
        return NO_LINKS
    pattern = literal_pattern(value)
    term = f"{QUALIFIERS.get(name, name)}:{quoted_pattern(pattern)}"
    has_filter = name in REPEATED and value == value.strip()  # blanks around the values of filters are ignored
    only = filters.with_values(name, (pattern,)) if has_filter else with_term(filters, term)
    without = with_term(filters, f"-{term}")
    return FilterLinks(_href(only, path), _href(without, path), term, name if has_filter else "", pattern)


def path_links(filters: Filters, path: str, keys: Sequence[str], value: str) -> FilterLinks:
    """The links, on the page `path`, of a value in the details; `keys` lead to it from `changes`, `request` …"""
    if not value or not is_one_line(value + "".join(keys)):
        return NO_LINKS
    term = path_term(keys, value)
    meant: Condition = AtPath(fold(".".join(keys)), (fold(value),))
    if _parts(term) != frozenset((meant,)):
        return NO_LINKS
    only, without = (with_term(filters, one) for one in (term, f"-{term}"))
    return FilterLinks(_href(only, path), _href(without, path), term)


def is_one_line(value: str) -> bool:
    """Whether a text box can hold the value: it keeps no line breaks, so that the page would lose them."""
    return _LINE_BREAKS.isdisjoint(value)


def _href(filters: Filters | None, path: str) -> str:
    return filters.href(path) if filters else ""


def with_term(filters: Filters, term: str) -> Filters | None:
    """The filters with a search that is narrowed by the term; None if there is no such search, as where it would be too
    long or cannot be read."""
    old, new = _parts(filters.q), _parts(term)
    if old is None or new is None:
        return None
    for search in (_joined(filters.q, term), f"({filters.q}) {term}"):
        if _parts(search) == old | new:
            return filters.with_search(search)
    return None


def _joined(search: str, term: str) -> str:
    """The two together. Around an OR, and beside a term of the same name, which would mean either value, the search
    needs parentheses; a term is not added twice. The script does the same (`search_terms.js`)."""
    if OR.search(search):
        return f"({search}) {term}"
    is_exclusion, name = term.startswith("-"), _NAME.match(term)
    same = 0
    if name and not is_exclusion:
        same = len(re.findall(rf"(?:^|[\s(]){re.escape(name[0])}", search, re.IGNORECASE))
    if f" {term} " in f" {search} " and (is_exclusion or same == 1):
        return search
    return f"({search}) {term}" if same else f"{search} {term}".strip()


@lru_cache(maxsize=1_024)
def _parts(search: str) -> frozenset[Condition] | None:
    """What must all hold for the search to find an event; None if the search cannot be read."""
    try:
        return frozenset(_conjuncts(parse(search, now=0)))
    except QueryMistake:
        return None


def _conjuncts(condition: Condition) -> list[Condition]:
    if isinstance(condition, And):
        return [one for each in condition.conditions for one in _conjuncts(each)]
    return [condition]
