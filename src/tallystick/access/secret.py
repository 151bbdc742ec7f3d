"""Secrets that are shown once, and the hash by which they are known afterwards."""

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
    """Text that `repr`, and so a traceback or a log line of a value that holds it, does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


def new_token() -> Secret:
    """256 random bits for a cookie or a link."""
    return Secret(secrets.token_urlsafe(32))


def is_token(text: str) -> bool:
    """Whether `text` has the form that `new_token` gives; what has not is no reason to ask the database."""
    return len(text) == TOKEN_LENGTH and text.isascii()


def token_digest(token: str) -> bytes:
    """What the database holds of a token. The tokens are random, so a fast hash without salt is enough."""
    return hashlib.sha256(token.encode()).digest()


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


def sign_link(secret: str, purpose: bytes, said: bytes) -> str:
    """What stands in a link. A mark for one `purpose` is none for another."""
    return urlsafe_b64encode(said + _mark(secret, purpose, said)).rstrip(b"=").decode()


def open_link(secret: str, purpose: bytes, text: str) -> bytes | None:
    """What a link says; None unless it was made here, for this purpose, and is written in the one way there is."""
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
