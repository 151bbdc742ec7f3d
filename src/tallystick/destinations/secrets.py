"""Secrets of a destination: its URL, its headers, its signing secrets. Sealed at rest, never shown again."""

import base64
import os
from uuid import UUID

import msgspec

from tallystick.access.secret import SecretBox
from tallystick.clock import DAY_US

SECRET_BYTES = 32
OVERLAP_US = DAY_US


class SigningSecret(msgspec.Struct):
    """A secret that signs messages; once replaced, until the time `until` (microseconds)."""

    key: str
    until: int | None = None


class DestinationSecrets(msgspec.Struct, omit_defaults=True):
    """What a destination keeps secret; `values` are further secret settings by name. The `repr` shows none of it."""

    url: str = ""
    headers: dict[str, str] = {}
    secrets: list[SigningSecret] = []
    values: dict[str, str] = {}

    def __repr__(self) -> str:
        return "DestinationSecrets()"

    def signing(self, now: int) -> list[str]:
        """The secrets that sign at `now` (microseconds), the current one first."""
        return [one.key for one in self.secrets if one.until is None or now < one.until]


def create_secret() -> SigningSecret:
    """A random secret as Standard Webhooks writes it: `whsec_` and 32 bytes in base 64."""
    return SigningSecret("whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode())


def rotate_secret(private: DestinationSecrets, now: int) -> DestinationSecrets:
    """Adds a new signing secret; the previous one keeps signing beside it for a day."""
    kept = [
        SigningSecret(one.key, now + OVERLAP_US if one.until is None else one.until)
        for one in private.secrets
        if one.until is None or now < one.until
    ]
    return msgspec.structs.replace(private, secrets=[create_secret(), *kept])


def seal_secrets(seal: SecretBox, org_id: UUID, destination_id: UUID, private: DestinationSecrets) -> bytes:
    """The secrets encrypted for this destination alone."""
    return seal.seal(msgspec.json.encode(private), org_id, destination_id)


def open_secrets(seal: SecretBox, org_id: UUID, destination_id: UUID, kept: bytes) -> DestinationSecrets:
    """Decrypts them. Raises DecryptionFailed when they were sealed with a secret key that is not given."""
    return msgspec.json.decode(seal.open(kept, org_id, destination_id), type=DestinationSecrets)
