"""Formats a value for a table cell: highlights search matches, and lets long ids be shortened in the middle."""

import re
from functools import lru_cache
from html import escape

from markupsafe import Markup

from tallystick.display_text import display_line
from tallystick.query.case_folding import fold

_TAIL = 6  # characters at the end that are never cut, because ids differ there
_ID = re.compile(r"(?=.*[0-9])[\w.:/+=-]{20,}", re.ASCII)


# Cached: a page repeats the same few people, actions and addresses.
@lru_cache(2048)
def highlight(text: str, needles: tuple[str, ...] = ()) -> Markup:
    """The text as `display_line`, with `<mark>` around each needle; needles are case-folded, as in a query."""
    text = display_line(text)
    spans = _spans(text, tuple(filter(None, map(display_line, needles))))
    if not _ID.fullmatch(text):
        return Markup(_with_marks(text, 0, len(text), spans))  # noqa: S704 - each piece is escaped
    cut = len(text) - _TAIL
    head, tail = _with_marks(text, 0, cut, spans), _with_marks(text, cut, len(text), spans)
    return Markup(f'<span class="middle"><span>{head}</span><span>{tail}</span></span>')  # noqa: S704


def _with_marks(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> str:
    pieces, at = [], start
    for first, last in spans:
        first, last = max(first, start), min(last, end)
        if first < last:
            pieces += [escape(text[at:first]), "<mark>", escape(text[first:last]), "</mark>"]
            at = last
    return "".join([*pieces, escape(text[at:end])])


def _spans(text: str, needles: tuple[str, ...]) -> list[tuple[int, int]]:
    """The (start, end) of each needle in the text, in order and merged where they overlap."""
    if not needles or not text:
        return []
    folded = fold(text)
    # A letter may fold to several; then positions in the folded text differ from those in the text.
    positions = range(len(text)) if len(folded) == len(text) else [n for n, c in enumerate(text) for _ in fold(c)]
    spans = []
    for needle in needles:
        at = folded.find(needle)
        while at >= 0:
            spans.append((positions[at], positions[at + len(needle) - 1] + 1))
            at = folded.find(needle, at + len(needle))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
