"""A value in a cell: what the search was for is marked, and long ids lose their middle where room is short."""

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from tallystick.query.fold import fold

_TAIL = 6  # what distinguishes two ids stands at their end
_ID = re.compile(r"(?=.*[0-9])[\w.:/+=-]{20,}", re.ASCII)


def shown(text: str, needles: Sequence[str] = ()) -> Markup:
    """The text with `<mark>` around each needle (folded, as a query gives them)."""
    spans = _spans(text, needles)
    if not _ID.fullmatch(text):
        return _marked(text, 0, len(text), spans)
    cut = len(text) - _TAIL
    head, tail = _marked(text, 0, cut, spans), _marked(text, cut, len(text), spans)
    return Markup('<span class="middle"><span>{}</span><span>{}</span></span>').format(head, tail)


def _marked(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> Markup:
    pieces, at = [], start
    for first, last in spans:
        first, last = max(first, start), min(last, end)
        if first < last:
            pieces += [escape(text[at:first]), Markup("<mark>{}</mark>").format(text[first:last])]
            at = last
    return Markup().join([*pieces, escape(text[at:end])])


def _spans(text: str, needles: Sequence[str]) -> list[tuple[int, int]]:
    """Where needles stand in the text, in order, without overlap."""
    if not needles or not text:
        return []
    folded = fold(text)
    # Where a letter folds to several, places in the folded text are not those in the text.
    places = range(len(text)) if len(folded) == len(text) else [n for n, c in enumerate(text) for _ in fold(c)]
    found = []
    for needle in needles:
        at = folded.find(needle)
        while at >= 0:
            found.append((places[at], places[at + len(needle) - 1] + 1))
            at = folded.find(needle, at + len(needle))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
