"""What is left of an event that lost parts: what its entry needs of them, and which they are.

One byte names the lost parts (bit 0 is `what`), then each of the four has 32 bytes: a lost part its commitment, a
kept one its salt (16 bytes) and zeros. A whole event has no remains, and its salts come from the seed.
"""

from collections.abc import Iterable

from tallystick.merkle.commitment import PARTS, SALT_BYTES, Four, commitment, part_commitments, salts

SLOT_BYTES = 32
REMAINS_BYTES = 1 + len(PARTS) * SLOT_BYTES
NO_SEED = bytes(16)


def mask_of(parts: Iterable[str]) -> int:
    """The parts as bits; ValueError for a name that is none."""
    return sum(1 << PARTS.index(part) for part in set(parts))


def named(mask: int) -> tuple[str, ...]:
    """The parts that the bits stand for, in their order."""
    return tuple(part for bit, part in enumerate(PARTS) if mask >> bit & 1)


def lost(remains: bytes) -> tuple[str, ...]:
    """The parts that an event with these remains lost."""
    return named(remains[0]) if remains else ()


def slots(remains: bytes) -> list[bytes]:
    """For each part its commitment (32 bytes) if it is lost, else its salt (16 bytes)."""
    if len(remains) != REMAINS_BYTES:
        raise ValueError(f"remains have {REMAINS_BYTES} bytes")
    found = [remains[1 + at * SLOT_BYTES : 1 + (at + 1) * SLOT_BYTES] for at in range(len(PARTS))]
    return [slot if remains[0] >> at & 1 else slot[:SALT_BYTES] for at, slot in enumerate(found)]


def commitments(remains: bytes, seed: bytes, parts: tuple[bytes, bytes, bytes, bytes]) -> Four:
    """The commitments of an event's four parts, whether it is whole or not."""
    if not remains:
        return part_commitments(seed, parts)
    return Four(
        *(
            slot if remains[0] >> at & 1 else commitment(at + 1, slot, part)
            for at, (slot, part) in enumerate(zip(slots(remains), parts, strict=True))
        )
    )


def after_losing(mask: int, remains: bytes, seed: bytes, parts: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """The remains once the parts of `mask` are gone too."""
    before = remains[0] if remains else 0
    proven = commitments(remains, seed, parts)
    known = slots(remains) if remains else list(salts(seed))
    kept = [proven[at] if (mask | before) >> at & 1 else known[at].ljust(SLOT_BYTES, b"\0") for at in range(len(PARTS))]
    return bytes([mask | before]) + b"".join(kept)
