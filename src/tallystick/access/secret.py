"""Secrets: random tokens and their digests, encryption of stored secrets, signed links."""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

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
    """Encrypts stored secrets with AES-256-GCM, under a key that HKDF derives from the server's secret key."""

    def __init__(self, secret: str, purpose: bytes) -> None:
        self._box = AESGCM(HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret.encode()))

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """Encrypt; `place` (authenticated, not stored) must be given again to decrypt."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._box.encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Decrypt what `seal` gave for the same `place`. Raises Unsealable."""
        try:
            return self._box.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise DecryptionFailed from None


def sign_link(secret: str, purpose: bytes, said: bytes) -> str:
    """The text of a link: `said` and its HMAC, in URL-safe base 64. The HMAC is valid for one `purpose` only."""
    return urlsafe_b64encode(said + _mark(secret, purpose, said)).rstrip(b"=").decode()


def open_link(secret: str, purpose: bytes, text: str) -> bytes | None:
    """The payload of a signed link; None unless it was signed here, for this purpose, and is in canonical form."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    said, mark = raw[:-MARK_BYTES], raw[-MARK_BYTES:]
    known = hmac.compare_digest(mark, _mark(secret, purpose, said))
    # Only the one way of writing it, so that what was cut or lengthened is another link.
    return said if known and urlsafe_b64encode(raw).rstrip(b"=").decode() == text else None


def _mark(secret: str, purpose: bytes, said: bytes) -> bytes:
    return hmac.digest(secret.encode(), purpose + said, "sha256")


def doctor_token(secret: str) -> str:
    """The bearer token by which a server knows `tallystick doctor` of its own installation, for its metrics."""
    return sign_link(secret, b"tallystick doctor", b"")
