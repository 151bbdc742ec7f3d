"""Protection against cross-site request forgery (CSRF)."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from tallystick.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ADVICE = "Nothing was changed. Open Tallystick, reload the page, and try again."


def refuse_cross_site(method: str, headers: Mapping[str, str], public_url: str) -> None:
    """Forbidden (`cross_site`) unless an unsafe request comes from our own pages.

    `headers` finds names in lower case. Browsers that send Sec-Fetch-Site decide it by that; for
    others Origin must be the public URL or the host that was asked. Neither: refused, since only a
    browser sends our cookie, and every browser sends one of them.
    """
    if method in SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    else:
        origin = urlsplit(headers.get("origin", ""))
        if origin.netloc and origin.scheme in ("http", "https"):
            ours = urlsplit(public_url)
            if (origin.scheme, origin.netloc) == (ours.scheme, ours.netloc) or origin.netloc == headers.get("host"):
                return
    raise Forbidden(f"This request came from another site. {_ADVICE}", code="cross_site")


def form_token(session_token: str) -> str:
    """The token that the forms of a session carry: derived from its cookie, stored nowhere, new with each sign-in."""
    return hmac.digest(session_token.encode(), b"tallystick form token", hashlib.sha256).hex()


def check_form_token(session_token: str, given: str | None) -> None:
    """Forbidden (`bad_form_token`) unless `given` is the session's form token."""
    if not hmac.compare_digest(form_token(session_token).encode(), (given or "").encode(errors="replace")):
        raise Forbidden(f"The form is from an earlier session. {_ADVICE}", code="bad_form_token")
