"""Splits a search into terms, so that each can be shown and removed on its own."""

from typing import NamedTuple

from tallystick.search.grammar import MOST_TERMS
from tallystick.search.token_reader import tokens_of
from tallystick.search.tokens import QueryMistake, Token

_JOINTS = ("AND", "OR")


class Term(NamedTuple):
    """A term of a search: `text` without its minus sign; `rest` is the search without the term."""

    text: str
    is_excluded: bool
    rest: str


def terms_of(query: str) -> list[Term]:
    """The terms that are joined by AND; the whole search as one term if it has a top-level OR or is invalid.

    A search of more terms than it can have is not parsed here; it is one term too.
    """
    if not query.strip():
        return []
    try:
        pieces = _pieces(query, tokens_of(query))
    except QueryMistake:
        pieces = []
    if not pieces or len(pieces) > MOST_TERMS:
        return [Term(query.strip(), False, "")]
    texts = [query[start:end] for start, _, end in pieces]
    return [
        Term(query[inner:end], inner > start, " ".join(texts[:number] + texts[number + 1 :]))
        for number, (start, inner, end) in enumerate(pieces)
    ]


def _pieces(query: str, tokens: list[Token]) -> list[tuple[int, int, int]]:
    """(start, start without the minus sign, end) of each term; [] if the search has a top-level OR."""
    pieces: list[tuple[int, int, int]] = []
    depth, start, inner = 0, -1, -1
    for token in tokens:
        if depth == 0 and token.kind == "OR":
            return []
        if token.kind == "end" or (depth == 0 and token.kind in _JOINTS):
            continue
        if start < 0:
            start = inner = token.start
        if depth == 0 and token.kind in ("-", "NOT"):
            inner = token.end + len(query[token.end :]) - len(query[token.end :].lstrip())
            continue
        depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(token.kind, 0)
        if depth <= 0:
            pieces.append((start, inner, token.end))
            start, depth = -1, 0
    return pieces if start < 0 else []
