"""What of a destination nobody is shown: its URL, its headers, the secrets that sign. Sealed at rest."""

import base64
import os
from uuid import UUID

import msgspec

from tallystick.access.secret import Seal
from tallystick.clock import DAY_US

PURPOSE = b"tallystick/destination/v1"
SECRET_BYTES = 32
OVERLAP_US = DAY_US


class Secret(msgspec.Struct):
    """A secret that signs, until then in microseconds if it was replaced."""

    key: str
    until: int | None = None


class Private(msgspec.Struct, omit_defaults=True):
    """The secrets of a destination. The `repr` shows none."""

    url: str = ""
    headers: dict[str, str] = {}
    secrets: list[Secret] = []

    def __repr__(self) -> str:
        return "Private()"

    def signing(self, now: int) -> list[str]:
        """The secrets that sign now, the current one first."""
        return [one.key for one in self.secrets if one.until is None or now < one.until]


def new_secret() -> Secret:
    """As Standard Webhooks writes them: `whsec_` and 32 random bytes in base 64."""
    return Secret("whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode())


def rotated(private: Private, now: int) -> Private:
    """With a new secret first; the one before signs beside it for a day."""
    kept = [
        Secret(one.key, now + OVERLAP_US if one.until is None else one.until)
        for one in private.secrets
        if one.until is None or now < one.until
    ]
    return Private(private.url, private.headers, [new_secret(), *kept])


def sealed(seal: Seal, org_id: UUID, destination_id: UUID, private: Private) -> bytes:
    return seal.seal(msgspec.json.encode(private), org_id.bytes + destination_id.bytes)


def opened(seal: Seal, org_id: UUID, destination_id: UUID, kept: bytes) -> Private:
    """Unsealable where the server's secret is another one."""
    return msgspec.json.decode(seal.open(kept, org_id.bytes + destination_id.bytes), type=Private)
