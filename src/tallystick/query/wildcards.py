"""Patterns in which `*` stands for any run of characters."""

from collections.abc import Sequence


def fits(value: str, pieces: Sequence[str]) -> bool:
    """Does the whole value fit `pattern.split("*")`?

    The earliest place is always the best one, so nothing is tried twice, however many stars there are.
    """
    if len(pieces) == 1:
        return value == pieces[0]
    first, last = pieces[0], pieces[-1]
    if len(value) < len(first) + len(last) or not (value.startswith(first) and value.endswith(last)):
        return False
    at, end = len(first), len(value) - len(last)
    for piece in pieces[1:-1]:
        found = value.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
