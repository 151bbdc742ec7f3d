"""The error tree: what can go wrong, with an HTTP status, a stable code and advice.

Raise the class that names the situation; `detail` says what to do next. The doors turn these into
`application/problem+json` (RFC 9457); nothing else is caught there.
"""

from typing import Any


class Outage(Exception):
    """Something outside Tallystick failed, and may work later."""


class TallystickError(Exception):
    """Base of every expected error; the members of `extra` stand beside `code` and `detail` in the answer."""

    status = 500
    code = "internal"
    title = "Internal error"

    def __init__(self, detail: str, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code
        self.extra = extra


class BadRequest(TallystickError):
    status, code, title = 400, "bad_request", "Bad request"


class Unauthorized(TallystickError):
    status, code, title = 401, "unauthorized", "Not signed in"


class Forbidden(TallystickError):
    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(TallystickError):
    status, code, title = 404, "not_found", "Not found"


class Conflict(TallystickError):
    status, code, title = 409, "conflict", "Conflict"


class TooLarge(TallystickError):
    status, code, title = 413, "too_large", "Too large"


class UnsupportedMedia(TallystickError):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class Invalid(TallystickError):
    """Events that break a rule; `errors` holds {index, field, code, detail} in order of index."""

    status, code, title = 422, "invalid_event", "Invalid event"


class TooMany(TallystickError):
    """A rate or number limit was exceeded; `retry_after` is in seconds."""

    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, detail: str, *, retry_after: int = 1, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail, code=code, **extra)
        self.retry_after = retry_after


class Unavailable(TallystickError):
    """Nothing was changed, and the same request may succeed later; `retry_after` is in seconds."""

    status, code, title = 503, "unavailable", "Unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail, code=code, **extra)
        self.retry_after = retry_after


class Damaged(TallystickError):
    """Stored data is damaged: the same request fails until an operator repairs it."""

    status, code, title = 503, "store_damaged", "Damaged data"


class SettingsError(TallystickError):
    """An unusable setting or state; the operator has to change it."""

    code, title = "settings", "Bad setting"
