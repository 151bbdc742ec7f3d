"""The commitment of one event: four parts, each with its own salt, hashed into one 32-byte log entry.

The salt prevents guessing a short part from its commitment. Because every part has its own salt, one part can be
erased together with the seed while the other parts stay provable.
"""

from hashlib import sha256
from typing import NamedTuple

PARTS = ("what", "target", "who", "details")
ABSENT = b"{}"
SEED_BYTES = 16
SALT_BYTES = 16
ENTRY_BYTES = 32

_SALT_1, _SALT_2, _SALT_3, _SALT_4 = (b"tallystick/salt/v1\0" + bytes([part]) for part in (1, 2, 3, 4))
_PART_1, _PART_2, _PART_3, _PART_4 = (b"tallystick/part/v1\0" + bytes([part]) for part in (1, 2, 3, 4))
_EVENT = b"tallystick/event/v1\0"


class PartValues(NamedTuple):
    """One value (text, salt or commitment) for each part, in the order in which an entry commits to them."""

    what: bytes
    target: bytes
    who: bytes
    details: bytes


def salts(seed: bytes) -> PartValues:
    """The salts (16 bytes each) of the four parts, derived from the seed (16 bytes)."""
    return PartValues(
        sha256(_SALT_1 + seed).digest()[:SALT_BYTES],
        sha256(_SALT_2 + seed).digest()[:SALT_BYTES],
        sha256(_SALT_3 + seed).digest()[:SALT_BYTES],
        sha256(_SALT_4 + seed).digest()[:SALT_BYTES],
    )


def part_commitments(seed: bytes, parts: tuple[bytes, bytes, bytes, bytes]) -> PartValues:
    """The 32-byte commitments of the exact JSON bytes of what, target, who and details (absent: `{}`).

    The commitment of a part stays when its bytes are erased.
    """
    salt_1, salt_2, salt_3, salt_4 = salts(seed)
    return PartValues(
        sha256(_PART_1 + salt_1 + parts[0]).digest(),
        sha256(_PART_2 + salt_2 + parts[1]).digest(),
        sha256(_PART_3 + salt_3 + parts[2]).digest(),
        sha256(_PART_4 + salt_4 + parts[3]).digest(),
    )


def commitment(number: int, salt: bytes, part: bytes) -> bytes:
    """The 32-byte commitment of part `number` (1 to 4) under its salt."""
    return sha256(b"tallystick/part/v1\0" + bytes([number]) + salt + part).digest()


def entry_of(event_id: bytes, received_at: int, commitments: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """The log entry (32 bytes) of an event's id (16 bytes), time of receipt (µs since 1970) and four commitments."""
    return sha256(_EVENT + event_id + received_at.to_bytes(8, "big") + b"".join(commitments)).digest()


def commit(event_id: bytes, received_at: int, seed: bytes, parts: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """The log entry (32 bytes) of one event. It does not depend on the index, so it is computed before any lock.

    Equal to `entry_of(event_id, received_at, part_commitments(seed, parts))`. Inlined, because it runs for every
    recorded event: without the intermediate calls and tuples it takes a third less time.
    """
    return sha256(
        _EVENT
        + event_id
        + received_at.to_bytes(8, "big")
        + sha256(_PART_1 + sha256(_SALT_1 + seed).digest()[:16] + parts[0]).digest()
        + sha256(_PART_2 + sha256(_SALT_2 + seed).digest()[:16] + parts[1]).digest()
        + sha256(_PART_3 + sha256(_SALT_3 + seed).digest()[:16] + parts[2]).digest()
        + sha256(_PART_4 + sha256(_SALT_4 + seed).digest()[:16] + parts[3]).digest()
    ).digest()
