"""Browsers in which an account signed in: a signed cookie, so that guessing elsewhere cannot lock the person out.

The cookie opens nothing. It only lets the sign-in attempts of this browser for this account be counted by themselves.
"""

import hashlib
import os
from dataclasses import dataclass

from tallystick.access.secret import Secret, open_link, sign_link
from tallystick.clock import DAY_US
from tallystick.secret_keys import SecretKeys

REMEMBERED_US = 90 * DAY_US
_PURPOSE = b"tallystick remembered device"
_ID_BYTES, _TIME_BYTES, _DIGEST_BYTES = 12, 8, 16


@dataclass(frozen=True, slots=True)
class RememberedDevice:
    """A browser by a random id, and the account that signed in there by the digest of its email address."""

    device_id: str
    account: bytes

    def is_of(self, email: str) -> bool:
        """Whether it was this account that signed in there; `email` as accounts are stored."""
        return self.account == _digest(email)


def cookie_name(public_url: str) -> str:
    """The name of the cookie; over HTTPS one that no other host of the domain can set."""
    return "__Host-device" if public_url.startswith("https://") else "tallystick_device"


def new_cookie(keys: SecretKeys, email: str, now: int) -> Secret:
    """The cookie's value that makes a browser remembered for an account; `now` in microseconds."""
    payload = os.urandom(_ID_BYTES) + now.to_bytes(_TIME_BYTES, "big") + _digest(email)
    return Secret(sign_link(keys, _PURPOSE, payload))


def read_cookie(keys: SecretKeys, value: str, now: int) -> RememberedDevice | None:
    """The device of a cookie's value; None unless it was signed here, within the last 90 days."""
    payload = open_link(keys, _PURPOSE, value)
    if payload is None or len(payload) != _ID_BYTES + _TIME_BYTES + _DIGEST_BYTES:
        return None
    since = int.from_bytes(payload[_ID_BYTES : _ID_BYTES + _TIME_BYTES], "big")
    if not 0 <= now - since < REMEMBERED_US:
        return None
    return RememberedDevice(payload[:_ID_BYTES].hex(), payload[-_DIGEST_BYTES:])


def _digest(email: str) -> bytes:
    return hashlib.sha256(email.encode(errors="replace")).digest()[:_DIGEST_BYTES]
