"""Remains: the bytes that keep the entry of an event computable after some of its parts were erased.

One byte names the lost parts (bit 0 is `what`). Then each of the four parts has a slot of 32 bytes: the commitment
of a lost part, or the salt of a remaining part (16 bytes, then zeros). A whole event has empty remains and derives
its salts from the seed. The seed must go with the first lost part: with it, a guess of the erased text could be
confirmed.
"""

from collections.abc import Iterable

from tallystick.merkle.commitment import PARTS, SALT_BYTES, PartValues, commitment, part_commitments, salts

SLOT_BYTES = 32
REMAINS_BYTES = 1 + len(PARTS) * SLOT_BYTES
NO_SEED = bytes(16)


def mask_of(parts: Iterable[str]) -> int:
    """The parts as bits; ValueError for an unknown part."""
    return sum(1 << PARTS.index(part) for part in set(parts))


def parts_of(mask: int) -> tuple[str, ...]:
    """The parts of these bits, in the order of PARTS."""
    return tuple(part for bit, part in enumerate(PARTS) if mask >> bit & 1)


def lost_parts(remains: bytes) -> tuple[str, ...]:
    """The parts that an event with these remains has lost."""
    return parts_of(remains[0]) if remains else ()


def slots(remains: bytes) -> list[bytes]:
    """For each part its commitment (32 bytes) if it is lost, otherwise its salt (16 bytes)."""
    if len(remains) != REMAINS_BYTES:
        raise ValueError(f"remains have {REMAINS_BYTES} bytes")
    found = [remains[1 + at * SLOT_BYTES : 1 + (at + 1) * SLOT_BYTES] for at in range(len(PARTS))]
    return [slot if remains[0] >> at & 1 else slot[:SALT_BYTES] for at, slot in enumerate(found)]


def commitments(remains: bytes, seed: bytes, parts: tuple[bytes, bytes, bytes, bytes]) -> PartValues:
    """The commitments of an event's four parts, from the seed if it is whole, otherwise from its remains."""
    if not remains:
        return part_commitments(seed, parts)
    return PartValues(
        *(
            slot if remains[0] >> at & 1 else commitment(at + 1, slot, part)
            for at, (slot, part) in enumerate(zip(slots(remains), parts, strict=True))
        )
    )


def remains_without(mask: int, remains: bytes, seed: bytes, parts: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """The remains after the parts of `mask` are removed as well.

    The entry computed from them is unchanged, whatever was lost before.
    """
    before = remains[0] if remains else 0
    proven = commitments(remains, seed, parts)
    known = slots(remains) if remains else list(salts(seed))
    kept = [proven[at] if (mask | before) >> at & 1 else known[at].ljust(SLOT_BYTES, b"\0") for at in range(len(PARTS))]
    return bytes([mask | before]) + b"".join(kept)
