"""Passwords: the rules, and argon2id.

A password is normalised to NFKC before it is hashed, as NIST SP 800-63B advises, so that the same keys on another
keyboard give the same password. Hashing takes some 100 ms and 64 MiB: hash before a transaction begins, never inside
one, and at most two at a time (`sign_in.SignIn`).
"""

import unicodedata
from typing import NewType

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tallystick.errors import BadRequest

LEAST_CHARACTERS = 12
MOST_BYTES = 1024
HashedPassword = NewType("HashedPassword", str)

_HASHER = PasswordHasher()  # argon2id, 3 passes, 64 MiB, 4 lanes (RFC 9106, low memory)
# What an account that does not exist, or has no password, is checked against: the work is the same.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$yY/uc7PUlKLZZmStwIT5Ew$4TaOXr+GS96+8SX5uDqYfNkM3prBsa+p/XivYdTGHUI"


def hash_password(password: str) -> HashedPassword:
    """The hash of a new password. BadRequest (`weak_password`) when it breaks a rule."""
    prepared = _normalise(password)
    if prepared is None or len(prepared) < LEAST_CHARACTERS:
        raise BadRequest(
            f"Choose a password of at least {LEAST_CHARACTERS} characters and at most {MOST_BYTES} bytes.",
            code="weak_password",
            field="password",
        )
    return HashedPassword(_HASHER.hash(prepared))


def rehash_password(password: str) -> HashedPassword:
    """A new hash of a password that was just verified, even if today's rules would refuse it."""
    return HashedPassword(_HASHER.hash(unicodedata.normalize("NFKC", password)))


def verify_password(kept: str | None, password: str) -> bool:
    """Whether `password` matches the stored hash `kept`. Takes equally long without an account or password."""
    prepared = _normalise(password)
    try:
        _HASHER.verify(kept or _NOBODY, prepared or "")
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None and prepared is not None


def needs_rehash(kept: str) -> bool:
    """Whether the stored hash `kept` was made with other parameters than new hashes are."""
    return _HASHER.check_needs_rehash(kept)


def _normalise(password: str) -> str | None:
    """The normalised password; None if it cannot be one."""
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        return None
    if size > MOST_BYTES or "\0" in password:
        return None
    return unicodedata.normalize("NFKC", password)
