"""Protection against cross-site request forgery (CSRF)."""

import hashlib
import hmac
from collections.abc import Mapping

from tallystick.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ADVICE = "Nothing was changed. Open Tallystick, reload the page, and try again."


def refuse_cross_site(method: str, headers: Mapping[str, str], public_url: str) -> None:
    """Forbidden (`cross_site`) unless an unsafe request comes from our own pages.

    `headers` finds names in lower case. An Origin must be the public URL or the host that was asked, and Sec-Fetch-Site
    must not name another site. Neither: refused, since only a browser sends our cookie, and every browser sends one of
    them.
    """
    if method in SAFE_METHODS:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin", "")
    is_own_site = site in ("same-origin", "none")
    is_own = is_own_site if origin in ("", "null") else _is_own_origin(origin, headers.get("host"), public_url)
    if not is_own or (site is not None and not is_own_site):
        raise Forbidden(
            f"This request came from another site. {_ADVICE} If this is its usual address, ask the operator to check "
            "TALLYSTICK_PUBLIC_URL.",
            code="cross_site",
        )


def _is_own_origin(origin: str, host: str | None, public_url: str) -> bool:
    return origin == public_url.lower() or (bool(host) and origin in (f"http://{host}", f"https://{host}"))


def form_token(session_token: str) -> str:
    """The token that the forms of a session carry: derived from its cookie, stored nowhere, new with each sign-in."""
    return hmac.digest(session_token.encode(), b"tallystick form token", hashlib.sha256).hex()


def check_form_token(session_token: str, given: str | None) -> None:
    """Forbidden (`bad_form_token`) unless `given` is the session's form token."""
    if not hmac.compare_digest(form_token(session_token).encode(), (given or "").encode(errors="replace")):
        raise Forbidden(f"The form is from an earlier session. {_ADVICE}", code="bad_form_token")
