"""The search cut into the terms it is made of, so that each can be shown, and taken away, by itself."""

from typing import NamedTuple

from tallystick.search.tokens import QueryMistake, Token, tokens_of

_JOINTS = ("AND", "OR")


class Term(NamedTuple):
    """`text` as it is written, without its sign; `rest` is the search without it."""

    text: str
    is_excluded: bool
    rest: str


def terms_of(query: str) -> list[Term]:
    """The terms that must all hold; one for the whole where alternatives stand at the top, or it cannot be read."""
    if not query.strip():
        return []
    try:
        pieces = _pieces(query, tokens_of(query))
    except QueryMistake:
        pieces = []
    if not pieces:
        return [Term(query.strip(), False, "")]
    written = [query[start:end] for start, _, end in pieces]
    return [
        Term(query[inner:end], inner > start, " ".join(written[:place] + written[place + 1 :]))
        for place, (start, inner, end) in enumerate(pieces)
    ]


def _pieces(query: str, tokens: list[Token]) -> list[tuple[int, int, int]]:
    """(start, start without the sign, end) of each term; nothing when alternatives stand at the top."""
    found: list[tuple[int, int, int]] = []
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
        depth += {"(": 1, ")": -1}.get(token.kind, 0)
        if depth <= 0:
            found.append((start, inner, token.end))
            start, depth = -1, 0
    return found if start < 0 else []
