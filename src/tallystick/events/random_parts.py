"""What is random of events: the end of their ids, and the seeds that salt their commitments."""

import os

from tallystick.merkle.commitment import SEED_BYTES

RANDOM_ID = 10  # bytes of a UUIDv7 that are not time
RANDOM_EACH = RANDOM_ID + SEED_BYTES
_VERSION_7 = bytes(0x70 | byte & 0x0F for byte in range(256))
_VARIANT = bytes(0x80 | byte & 0x3F for byte in range(256))


def random_parts(count: int) -> bytes:
    """For each of `count` events the random part of a UUIDv7 (RFC 9562 §5.7, RANDOM_ID bytes), and its seed."""
    random = bytearray(os.urandom(RANDOM_EACH * count))
    random[0::RANDOM_EACH] = random[0::RANDOM_EACH].translate(_VERSION_7)
    random[2::RANDOM_EACH] = random[2::RANDOM_EACH].translate(_VARIANT)
    return bytes(random)
