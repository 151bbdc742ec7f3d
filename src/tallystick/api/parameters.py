"""Reads the query string of a request strictly."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Request

from tallystick.api.operation import operation_of
from tallystick.errors import BadRequest
from tallystick.search.filters import NAMES

# A cursor continues only with the parameters that it was made with; these may change from page to page.
_PASSING = frozenset({"cursor", "limit", "offset", "count", "order", "allow_missing"})

MOST_QUERY_BYTES = 32 << 10
MOST_PARAMETERS = 200

# What people from other products try first.
_OTHER_NAMES = {
    "from": "start", "since": "start", "begin": "start", "to": "end", "until": "end", "timezone": "tz",
    "email": "user", "actor": "user", "actor_email": "user", "query": "q", "search": "q", "text": "q",
    "event": "action", "type": "resource_type", "address": "ip", "ip_address": "ip", "page": "cursor",
    "page_size": "limit", "per_page": "limit", "sort": "order", "skip": "offset", "last_event_id": "after",
}  # fmt: skip


class Parameters:
    """The query parameters of one request, with typed access. Unknown ones are refused with a suggestion."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        self._given = given

    @classmethod
    def of(cls, request: Request[Any, Any, Any]) -> "Parameters":
        """The parameters of a request, which its endpoint must have declared.

        Raises BadRequest: `unknown_parameter`, `bad_parameter`, `query_too_long`.
        """
        known = operation_of(request).query_names
        raw: bytes = request.scope["query_string"]
        if not raw:
            return cls({})
        if len(raw) > MOST_QUERY_BYTES:
            raise BadRequest(f"The query string has at most {MOST_QUERY_BYTES} bytes.", code="query_too_long")
        try:
            pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
        except UnicodeDecodeError:
            raise BadRequest("The query string must be percent-encoded UTF-8.", code="bad_parameter") from None
        except ValueError:
            raise BadRequest(
                f"The query string has at most {MOST_PARAMETERS} parameters.", code="bad_parameter"
            ) from None
        given: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in known:
                raise _unknown(name, known)
            if "\0" in value:
                raise bad_parameter(name, f"{name} must not contain the character NUL.")
            if name in NAMES and name != "q" and not value.strip():
                raise bad_parameter(name, f"{name} is empty. Leave it out if you do not want to filter by it.")
            given.setdefault(name, []).append(value)
        return cls(given)

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def filters(self) -> dict[str, Sequence[str]]:
        """The filters by name: values of one name are alternatives, different names must all match."""
        return {name: values for name, values in self._given.items() if name in NAMES}

    def question(self) -> str:
        """The filters in a canonical form that does not depend on their order; a cursor is bound to it."""
        return urlencode(
            sorted((name, value) for name, values in self._given.items() if name not in _PASSING for value in values)
        )

    def single(self, name: str) -> str | None:
        """The value of a parameter that is not repeatable; None if it is absent."""
        values = self._given.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise bad_parameter(name, f"{name} cannot be repeated.")
        return values[0]

    def multiple(self, name: str) -> list[str]:
        """The values of a repeatable parameter."""
        return list(self._given.get(name, ()))

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """The value of a parameter with fixed choices, of which the first is the default."""
        value = self.single(name)
        if value is None:
            return choices[0]
        if value not in choices:
            raise bad_parameter(name, f"{name} must be one of {', '.join(choices)}.", _near(value, choices))
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        """The value of an integer parameter from `low` to `high`; None if it is absent."""
        value = self.single(name)
        return None if value is None else parse_integer(name, value, low, high)


def parse_integer(name: str, text: str, low: int, high: int) -> int:
    """The integer in `text`, from `low` to `high`; raises BadRequest (`bad_parameter`)."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18 and low <= int(text) <= high:
        return int(text)
    raise bad_parameter(name, f"{name} must be an integer from {low} to {high}.")


def bad_parameter(name: str, detail: str, suggestion: str | None = None) -> BadRequest:
    """The error for an invalid value of a parameter."""
    extra = {"suggestion": suggestion} if suggestion else {}
    return BadRequest(detail, code="bad_parameter", parameter=name, **extra)


def _unknown(name: str, known: Collection[str]) -> BadRequest:
    name = name[:100]
    written = name.lower().replace("-", "_")
    near = _near(written, [*known, *(other for other, meant in _OTHER_NAMES.items() if meant in known)])
    suggestion = _OTHER_NAMES.get(near, near) if near else None
    if suggestion:
        advice = f"did you mean {suggestion}?"
    else:
        advice = f"known parameters: {', '.join(sorted(known))}." if known else "this endpoint has none."
    extra = {"suggestion": suggestion} if suggestion else {}
    return BadRequest(f"Unknown parameter {name!r}; {advice}", code="unknown_parameter", parameter=name, **extra)


def _near(text: str, choices: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(text, choices, 1)), None)
