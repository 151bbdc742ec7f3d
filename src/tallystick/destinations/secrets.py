"""What of a destination nobody is shown: its URL, its headers, the secrets that sign. Sealed at rest."""

import base64
import os
from uuid import UUID

import msgspec

from tallystick.access.secret import SecretBox
from tallystick.clock import DAY_US

PURPOSE = b"tallystick/destination/v1"
SECRET_BYTES = 32
OVERLAP_US = DAY_US


class SigningSecret(msgspec.Struct):
    """A secret that signs, until then in microseconds if it was replaced."""

    key: str
    until: int | None = None


class DestinationSecrets(msgspec.Struct, omit_defaults=True):
    """The secrets of a destination. The `repr` shows none."""

    url: str = ""
    headers: dict[str, str] = {}
    secrets: list[SigningSecret] = []

    def __repr__(self) -> str:
        return "DestinationSecrets()"

    def signing(self, now: int) -> list[str]:
        """The secrets that sign now, the current one first."""
        return [one.key for one in self.secrets if one.until is None or now < one.until]


def create_secret() -> SigningSecret:
    """As Standard Webhooks writes them: `whsec_` and 32 random bytes in base 64."""
    return SigningSecret("whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode())


def rotate_secret(private: DestinationSecrets, now: int) -> DestinationSecrets:
    """With a new secret first; the one before signs beside it for a day."""
    kept = [
        SigningSecret(one.key, now + OVERLAP_US if one.until is None else one.until)
        for one in private.secrets
        if one.until is None or now < one.until
    ]
    return DestinationSecrets(private.url, private.headers, [create_secret(), *kept])


def seal_secrets(seal: SecretBox, org_id: UUID, destination_id: UUID, private: DestinationSecrets) -> bytes:
    return seal.seal(msgspec.json.encode(private), org_id.bytes + destination_id.bytes)


def open_secrets(seal: SecretBox, org_id: UUID, destination_id: UUID, kept: bytes) -> DestinationSecrets:
    """Unsealable where the server's secret is another one."""
    return msgspec.json.decode(seal.open(kept, org_id.bytes + destination_id.bytes), type=DestinationSecrets)
