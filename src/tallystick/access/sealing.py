"""Secrets at rest: sealed with the server's secret, for one purpose and one place, and opened again."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class Unsealable(Exception):
    """Another secret sealed it, for another place or purpose, or it was changed."""


class Seal:
    """Seals with AES-256-GCM under a key derived by HKDF from the server's secret; holds no secret itself."""

    def __init__(self, secret: str, purpose: bytes) -> None:
        self._box = AESGCM(HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret.encode()))

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """What can be opened for the same `place` only."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._box.encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """What was sealed for `place`. Unsealable."""
        try:
            return self._box.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise Unsealable from None
