"""Secrets: random tokens and their digests, encryption of stored secrets, signed links."""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Column

from tallystick.database.tables import Sealing
from tallystick.secret_keys import SecretKeys

TOKEN_LENGTH = 43  # 32 random bytes in URL-safe base 64
_NONCE_BYTES = 12
MARK_BYTES = 32


class Secret(str):
    """Text that `repr` does not show, so that tracebacks and log lines do not either."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


def new_token() -> Secret:
    """256 random bits for a cookie or a link."""
    return Secret(secrets.token_urlsafe(32))


def is_token(text: str) -> bool:
    """Whether `text` has the form that `new_token` gives; other texts need no look-up."""
    return len(text) == TOKEN_LENGTH and text.isascii()


def token_digest(token: str) -> bytes:
    """The digest of a token that the database stores. Tokens are random, so a fast hash without salt is enough."""
    return hashlib.sha256(token.encode()).digest()


class DecryptionFailed(Exception):
    """The value was encrypted with another secret, for another place or purpose, or was altered."""


class SecretBox:
    """Encrypts the stored secrets of one column with AES-256-GCM, under a key that HKDF derives from the secret key.

    The column is declared by `sealed_column`. What was encrypted with a previous secret key is decrypted as well.
    """

    def __init__(self, keys: SecretKeys, column: Column[Any]) -> None:
        sealing: Sealing = column.info["sealing"]
        self._boxes = [
            AESGCM(HKDF(SHA256(), 32, salt=None, info=sealing.purpose).derive(secret.encode())) for secret in keys.every
        ]
        self._place = sealing.place

    def seal(self, plain: bytes, *place: UUID | bytes) -> bytes:
        """Encrypt. The values of the place's columns (authenticated, not stored) must be given again to decrypt."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._boxes[0].encrypt(nonce, plain, self._bytes_of(place))

    def open(self, sealed: bytes, *place: UUID | bytes) -> bytes:
        """Decrypt what `seal` gave for the same `place`. Raises DecryptionFailed."""
        return self.open_with(sealed, *place)[0]

    def open_with(self, sealed: bytes, *place: UUID | bytes) -> tuple[bytes, bool]:
        """As `open`, and whether the current key decrypted it, not a previous one."""
        for box in self._boxes:
            with suppress(InvalidTag, ValueError):
                plain = box.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._bytes_of(place))
                return plain, box is self._boxes[0]
        raise DecryptionFailed

    def _bytes_of(self, place: tuple[UUID | bytes, ...]) -> bytes:
        return b"".join(
            part.bytes if isinstance(part, UUID) else part for _, part in zip(self._place, place, strict=True)
        )


def sign_link(keys: SecretKeys, purpose: bytes, payload: bytes) -> str:
    """The text of a link: `payload` and its HMAC, in URL-safe base 64. The HMAC is valid for one `purpose` only."""
    return urlsafe_b64encode(payload + _mark(keys.current, purpose, payload)).rstrip(b"=").decode()


def open_link(keys: SecretKeys, purpose: bytes, text: str) -> bytes | None:
    """The payload of a signed link; None unless it was signed here, for this purpose, and is in canonical form."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    payload, mark = raw[:-MARK_BYTES], raw[-MARK_BYTES:]
    known = any(hmac.compare_digest(mark, _mark(secret, purpose, payload)) for secret in keys.every)
    # Only the one way of writing it, so that what was cut or lengthened is another link.
    return payload if known and urlsafe_b64encode(raw).rstrip(b"=").decode() == text else None


def _mark(secret: str, purpose: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret.encode(), purpose + payload, "sha256")


def doctor_token(keys: SecretKeys) -> str:
    """The bearer token by which a server knows `tallystick doctor` of its own installation, for its metrics."""
    return sign_link(keys, b"tallystick doctor", b"")
