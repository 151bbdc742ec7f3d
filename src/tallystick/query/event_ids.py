"""Event ids in a query: whole, or their beginning followed by `*`."""

from tallystick.ids import ALPHABET

PREFIX = "evt_"
LETTERS = 26
_BITS = 5
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}


def span(pattern: str) -> tuple[int, int] | None:
    """First and last UUID, as numbers, of the ids that a folded pattern means; None if it can mean none.

    `*` alone, and `evt_*`, mean every id.
    """
    known, star, rest = pattern.partition("*")
    if rest.strip("*"):
        return None
    if star and PREFIX.startswith(known):
        return 0, (1 << 128) - 1
    letters = known.removeprefix(PREFIX)
    missing = LETTERS - len(letters)
    if letters == known or missing < 0 or (missing and not star):
        return None
    number = 0
    for letter in letters:
        if letter not in _VALUE:
            return None
        number = number << _BITS | _VALUE[letter]
    first = number << _BITS * missing
    if first >> 128:
        return None
    return first, min(first | (1 << _BITS * missing) - 1, (1 << 128) - 1)
