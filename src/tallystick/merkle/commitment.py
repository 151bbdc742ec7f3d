"""The commitment of one event: four parts, each salted by itself, folded into one 32-byte log entry.

The salt makes a short part impossible to guess from its commitment, and because every part has its
own, one part can be erased (with the seed) while the commitments still prove the others.
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


class Four(NamedTuple):
    """One value for each part, in the order in which an entry commits to them."""

    what: bytes
    target: bytes
    who: bytes
    details: bytes


def salts(seed: bytes) -> Four:
    """The 16-byte salts that the seed (16 bytes) gives to the parts."""
    return Four(
        sha256(_SALT_1 + seed).digest()[:SALT_BYTES],
        sha256(_SALT_2 + seed).digest()[:SALT_BYTES],
        sha256(_SALT_3 + seed).digest()[:SALT_BYTES],
        sha256(_SALT_4 + seed).digest()[:SALT_BYTES],
    )


def part_commitments(seed: bytes, parts: tuple[bytes, bytes, bytes, bytes]) -> Four:
    """The 32-byte commitments of the exact JSON bytes of what, target, who and details (absent: `{}`).

    They are what is left of a part when its bytes are erased.
    """
    salt_1, salt_2, salt_3, salt_4 = salts(seed)
    return Four(
        sha256(_PART_1 + salt_1 + parts[0]).digest(),
        sha256(_PART_2 + salt_2 + parts[1]).digest(),
        sha256(_PART_3 + salt_3 + parts[2]).digest(),
        sha256(_PART_4 + salt_4 + parts[3]).digest(),
    )


def commitment(number: int, salt: bytes, part: bytes) -> bytes:
    """The 32-byte commitment of part `number` (1 to 4) under its salt."""
    return sha256(b"tallystick/part/v1\0" + bytes([number]) + salt + part).digest()


def entry_of(event_id: bytes, received_at: int, commitments: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """The log entry from the event's id (16 bytes), its time of receipt (µs since 1970) and four commitments."""
    return sha256(_EVENT + event_id + received_at.to_bytes(8, "big") + b"".join(commitments)).digest()


def commit(event_id: bytes, received_at: int, seed: bytes, parts: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """The 32-byte log entry of one event; it depends on nothing but the event, so no lock is needed for it.

    Equal to `entry_of(event_id, received_at, part_commitments(seed, parts))`, written out because
    every recorded event passes here: without the calls and tuples between it takes a third less time.
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
