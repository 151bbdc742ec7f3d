"""Links that need no session: what they say and a mark by the server's secret, in letters that a URL takes."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

MARK_BYTES = 32


def sealed(secret: str, purpose: bytes, said: bytes) -> str:
    """What stands in a link. A mark for one `purpose` is none for another."""
    return urlsafe_b64encode(said + _mark(secret, purpose, said)).rstrip(b"=").decode()


def unsealed(secret: str, purpose: bytes, text: str) -> bytes | None:
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
    return hmac.digest(secret.encode(), purpose + said, sha256)
