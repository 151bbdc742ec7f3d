"""Secrets that are shown once, and the hash by which they are known afterwards."""

import hashlib
import secrets

TOKEN_LENGTH = 43  # 32 random bytes in URL-safe base 64


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


def sha256(token: str) -> bytes:
    """What the database holds of a token. The tokens are random, so a fast hash without salt is enough."""
    return hashlib.sha256(token.encode()).digest()
