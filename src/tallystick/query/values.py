"""Values in a query as both evaluators read them: IP addresses, wildcards, event ids.

Addresses are 128-bit IPv6 numbers; IPv4 is mapped to ::ffff:0:0/96.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from unicodedata import normalize

from tallystick.ids import ALPHABET
from tallystick.query.case_folding import fold

_MAPPED = 0xFFFF << 32
PREFIX = "evt_"
LETTERS = 26
_BITS = 5
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}


MIN_IDENTIFIER, MAX_IDENTIFIER = 4, 1_024  # characters
_ID_SIGN = re.compile(r"[0-9_:]")
# A run of backslashes and the star behind it; the lookbehind keeps a long run from being read once for each backslash.
_STARS = re.compile(r"(?<!\\)(\\*)\*")


@lru_cache(maxsize=65_536)
def number(address: str) -> int:
    """The 128 bits of an address in any spelling; a zone such as `%eth0` is ignored."""
    parsed = ip_address(address)
    return int(parsed) if parsed.version == 6 else _MAPPED | int(parsed)


@lru_cache(maxsize=65_536)
def plain_address(address: str) -> str:
    """An address in its usual spelling, IPv4 as IPv4."""
    bits = number(address)
    return str(IPv4Address(bits & 0xFFFFFFFF)) if bits >> 32 == 0xFFFF else str(IPv6Address(bits))


def network_span(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    """The first and the last address of the network, as 128-bit numbers."""
    first, last = int(network.network_address), int(network.broadcast_address)
    return (first, last) if network.version == 6 else (_MAPPED | first, _MAPPED | last)


def address_text(bits: int) -> str:
    """A 128-bit number as an IPv6 address."""
    return str(IPv6Address(bits))


@lru_cache(maxsize=4_096)
def pieces_of(pattern: str) -> tuple[str, ...]:
    """The literal texts between the wildcards of a pattern; one text if it has no wildcard.

    `*` is a wildcard and `\\*` a star. Backslashes are themselves, but in a run directly before a star two are one.
    """
    if "*" not in pattern:
        return (pattern,)
    found, at = [""], 0
    for star in _STARS.finditer(pattern):
        backslashes = len(star[1])
        found[-1] += pattern[at : star.start()] + "\\" * (backslashes // 2)
        if backslashes % 2:
            found[-1] += "*"
        else:
            found.append("")
        at = star.end()
    found[-1] += pattern[at:]
    return tuple(found)


def literal_pattern(value: str) -> str:
    """The pattern that matches this value alone."""
    return _STARS.sub(r"\1\1\\*", value)


def unescaped(text: str) -> str:
    """The text of a pattern whose wildcards are stars, as in phrases and in values of paths."""
    return "*".join(pieces_of(text))


def split_patterns(patterns: Iterable[str], *, wildcards: bool) -> tuple[list[str], list[tuple[str, ...]]]:
    """The values that patterns stand for, and the pieces of those that have a wildcard."""
    if not wildcards:
        return list(patterns), []
    pieces = [pieces_of(pattern) for pattern in patterns]
    return [one[0] for one in pieces if len(one) == 1], [one for one in pieces if len(one) > 1]


def fits(value: str, pieces: Sequence[str]) -> bool:
    """Whether the whole value matches the pattern with these `pieces_of`.

    Taking the earliest place of each piece is always right, so nothing is tried twice, however many stars there are.
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


def may_be_identifier(word: str) -> bool:
    """Whether a folded word is also looked for among ids: no natural word has a digit, a low line or a colon."""
    return MIN_IDENTIFIER <= len(word) <= MAX_IDENTIFIER and _ID_SIGN.search(word) is not None


@lru_cache(maxsize=1_024)
def other_spellings(word: str) -> tuple[str, ...]:
    """The folded word with accents as letters of their own, or joined with the letter before, where it is not so."""
    if word.isascii():
        return ()
    spellings = dict.fromkeys(fold(normalize(form, word)) for form in ("NFC", "NFD"))
    return tuple(one for one in spellings if one != word)


def event_id_span(pattern: str) -> tuple[int, int] | None:
    """The first and last UUID, as numbers, of the ids that a folded pattern matches; None if it matches none.

    `*` alone, and `evt_*`, match every id.
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
