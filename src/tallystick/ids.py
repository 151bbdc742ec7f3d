"""Identifiers: UUIDv7 inside, `prefix_` + 26 characters outside.

The 26 characters are Crockford's base 32 in lower case, as in the TypeID specification
(https://github.com/jetify-com/typeid, 0.3.0): 128 bits, most significant first.
"""

import os
import struct
import uuid
from uuid import UUID

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_TRIPLES = [pair + letter for pair in _PAIRS for letter in ALPHABET]
_halves = struct.Struct(">QQ").unpack


def uuid7_bytes(at_us: int, random: bytes | None = None) -> bytes:
    """A UUIDv7 (RFC 9562 §5.7) as 16 bytes: 48 bits of milliseconds, 74 random bits (10 bytes given or drawn)."""
    tail = int.from_bytes(random or os.urandom(10), "big")
    value = (at_us // 1000 & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | (tail & 0xFFF) << 64
    value |= 2 << 62 | (tail >> 12 & 0x3FFF_FFFF_FFFF_FFFF)
    return value.to_bytes(16, "big")


def new_uuid(at_us: int) -> uuid.UUID:
    """A UUIDv7 for a row of the control database."""
    return uuid.UUID(bytes=uuid7_bytes(at_us))


def milliseconds_of(raw: bytes) -> int:
    """The time that a UUIDv7 holds, in milliseconds since 1970 UTC."""
    return int.from_bytes(raw[:6], "big")


def encode(prefix: str, raw: bytes) -> str:
    """16 bytes as `prefix_` + 26 characters."""
    high, low = _halves(raw)
    triples = _TRIPLES
    return (
        f"{prefix}_{_PAIRS[high >> 56]}{triples[high >> 41 & 32767]}{triples[high >> 26 & 32767]}"
        f"{triples[high >> 11 & 32767]}{triples[(high & 2047) << 4 | low >> 60]}{triples[low >> 45 & 32767]}"
        f"{triples[low >> 30 & 32767]}{triples[low >> 15 & 32767]}{triples[low & 32767]}"
    )


def decode(prefix: str, text: str) -> bytes:
    """The 16 bytes behind an identifier; ValueError when it is not one of this prefix."""
    head, _, tail = text.rpartition("_")
    if head != prefix or len(tail) != 26:
        raise ValueError(f"not a {prefix}_ identifier")
    value = 0
    for letter in tail:
        if letter not in _VALUE:
            raise ValueError(f"not a {prefix}_ identifier")
        value = value << 5 | _VALUE[letter]
    if value >> 128:
        raise ValueError(f"not a {prefix}_ identifier")
    return value.to_bytes(16, "big")


def parse_uuid(prefix: str, text: str) -> UUID:
    """The UUID behind an identifier; ValueError if it is not one of this prefix."""
    return UUID(bytes=decode(prefix, text))
