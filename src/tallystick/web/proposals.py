"""Searches to offer where nothing was found; each of them finds something."""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from tallystick.errors import BadRequest
from tallystick.query.case_folding import fold
from tallystick.query.scope import Scope
from tallystick.query.values import literal_pattern
from tallystick.search.alternatives import Alternative, alternatives, identifiers
from tallystick.search.filters import query_from
from tallystick.search.find import Finder
from tallystick.search.near_names import typing_errors
from tallystick.search.term_heads import head_of
from tallystick.search.tokens import quoted_pattern
from tallystick.web.filters import Filters
from tallystick.web.search_terms import Term, terms_of

MOST = 3
MOST_CHECKS = 16
MOST_TERMS = 6
SECONDS = 1.0  # for all checks together; each takes some milliseconds
VOCABULARY = 200  # values of a field, among which a near spelling is looked for
SHORTEST, LONGEST = 3, 64  # characters of a term for which a near spelling is looked for
_OR = re.compile(r" or ", re.IGNORECASE)
_LOST_PLUS = re.compile(r"(?<=[\w.]) (?=[\w.]+@[\w.]+)")  # of an address that was pasted into a URL
_PARTS = re.compile(r"[\W_]+")
_WORD_FIELDS = ("action", "user", "resource")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A search that finds events; `reason` says what its changed term means."""

    filters: Filters
    text: str
    reason: str


def proposals(scope: Scope, finder: Finder, filters: Filters, now: int, *, seconds: float = SECONDS) -> list[Proposal]:
    """Searches and filters near these, which found nothing, that find something; blocks for about `seconds`."""
    end = time.monotonic() + seconds
    found: list[Proposal] = []
    checked: set[Filters] = {filters}
    for proposal in _candidates(scope, finder, filters, now):
        if len(found) == MOST or len(checked) > MOST_CHECKS or time.monotonic() > end:
            break
        if proposal.filters not in checked:
            checked.add(proposal.filters)
            if _finds_any(scope, finder, proposal.filters, now):
                found.append(proposal)
    return found


def _candidates(scope: Scope, finder: Finder, filters: Filters, now: int) -> Iterator[Proposal]:
    """One of each term in turn, so that no term uses up all checks."""
    for changed, reason in (
        (_OR.sub(" OR ", filters.q), "either word"),
        (_LOST_PLUS.sub("+", filters.q), "a plus sign"),
    ):
        yield Proposal(filters.with_search(changed), changed, reason)
    terms = [term for term in terms_of(filters.q) if not term.is_excluded][:MOST_TERMS]
    several = [_of_term(scope, finder, filters, term, now) for term in terms]
    for name in ("user", "resource"):
        several += [_of_filter(filters, name, value) for value in getattr(filters, name)[:MOST_TERMS]]
    while several:
        for one in list(several):
            proposal = next(one, None)
            if proposal is None:
                several.remove(one)
            else:
                yield proposal


def _of_term(scope: Scope, finder: Finder, filters: Filters, term: Term, now: int) -> Iterator[Proposal]:
    def propose(one: Alternative) -> Proposal:
        changed = f"{term.rest} {one.term}".strip()
        return Proposal(filters.with_search(changed), one.term, one.reason)

    others = alternatives(term.text)
    yield from map(propose, islice(others, 1))
    ids = identifiers(term.text)
    if ids and _finds_any(scope, finder, Filters(q=" OR ".join(one.term for one in ids)), now):
        yield from map(propose, ids)
    near = _near_spelling(scope, finder, filters, term, now)
    if near is not None:
        yield propose(near)
    yield from map(propose, others)


def _of_filter(filters: Filters, name: str, value: str) -> Iterator[Proposal]:
    bare = value.strip("*")
    for pattern in dict.fromkeys((value.replace(" ", "+"), f"{bare}*", f"*{bare}*")):
        if bare and pattern != value:
            yield Proposal(filters.with_values(name, (pattern,)), pattern, "with a wildcard or plus sign")
    yield Proposal(filters.with_values(name, ()).with_search(f'{filters.q} "{bare}"'.strip()), bare, "anywhere")


def _near_spelling(scope: Scope, finder: Finder, filters: Filters, term: Term, now: int) -> Alternative | None:
    """A value, a word of one or its beginning that exists and is written nearly like the term."""
    head = head_of(term.text, 0)
    if head is not None and (head.kind == "path" or head.name not in ("user", "resource", "action", "type", "tool")):
        return None
    fields = _WORD_FIELDS if head is None else ("resource_type" if head.name == "type" else head.name,)
    written = fold(term.text if head is None else term.text[head.value_at :]).strip('"')
    values = {field: _values(scope, finder, filters, field, now) for field in fields}
    names = {fold(value): value for each in values.values() for value in each}
    words: set[str] = set()
    if head is None:  # it is looked for inside names and sentences too
        words = {part for name in names for part in _PARTS.split(name) if part}
        words |= finder.catalogues.of(scope.org_id).sentence_words(values["action"])
    near = nearest_spelling(written, names, words)
    if near is None:
        return None
    text = quoted_pattern(literal_pattern(names.get(near, near)))
    return Alternative(text if head is None else f"{head.written}:{text}", "a near spelling")


def nearest_spelling(written: str, names: Iterable[str], words: Iterable[str]) -> str | None:
    """The name, word or beginning of a word with the fewest errors of typing; None if all have too many.

    Of several, a whole one is likeliest, then one that is as long as what was written.
    """
    length = len(written)
    if not SHORTEST <= length <= LONGEST:
        return None
    most = (length + 2) // 4
    whole = {*names, *words}
    begun = {word[:end] for word in words for end in range(max(length - most, SHORTEST), length + most + 1)}
    found = [
        (errors, one not in whole, abs(len(one) - length), one)
        for one in whole | begun
        if one != written and abs(len(one) - length) <= most and (errors := typing_errors(written, one)) <= most
    ]
    return min(found)[-1] if found else None


def _values(scope: Scope, finder: Finder, filters: Filters, field: str, now: int) -> list[str]:
    try:
        query = query_from(Filters().with_display_of(filters).parameters(now), now=now)
        return [entry["value"] for entry in finder.facets(scope, query, field, limit=VOCABULARY)["values"]]
    except BadRequest:
        return []


def _finds_any(scope: Scope, finder: Finder, filters: Filters, now: int) -> bool:
    try:
        query = query_from(filters.parameters(now), now=now)
    except BadRequest:
        return False
    return bool(finder.page(scope, query, limit=1, count="none").data)
