"""The query string of a request, read strictly."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Request

from tallystick.errors import BadRequest
from tallystick.search.filters import NAMES

# Part of a question's identity: the same cursor goes on only with the same ones. How much is asked for at a
# time, and whether it is counted, may change from page to page.
_PASSING = frozenset({"cursor", "limit", "offset", "count", "order"})

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
    """The parameters of one request, all of them known: BadRequest for any other, with a suggestion."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        self._given = given

    @classmethod
    def of(cls, request: Request[Any, Any, Any], known: Collection[str]) -> "Parameters":
        """Those of the request; `known` are the names that may stand there."""
        raw: bytes = request.scope["query_string"]
        if not raw:
            return cls({})
        if len(raw) > MOST_QUERY_BYTES:
            raise BadRequest(f"A query has at most {MOST_QUERY_BYTES} bytes.", code="query_too_long")
        try:
            pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
        except UnicodeDecodeError:
            raise BadRequest("The query is not UTF-8, percent-encoded.", code="bad_parameter") from None
        except ValueError:
            raise BadRequest(f"A query has at most {MOST_PARAMETERS} parameters.", code="bad_parameter") from None
        given: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in known:
                raise _unknown(name, known)
            if "\0" in value:
                raise bad_parameter(name, f"{name} must not hold the character NUL.")
            if name in NAMES and name != "q" and not value.strip():
                raise bad_parameter(name, f"{name} is empty. Leave it out, so that nothing is filtered by it.")
            given.setdefault(name, []).append(value)
        return cls(given)

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def filters(self) -> dict[str, Sequence[str]]:
        """The filters as given: within a name OR, between names AND."""
        return {name: values for name, values in self._given.items() if name in NAMES}

    def question(self) -> str:
        """What is asked for, in one canonical form, however the parameters were ordered."""
        return urlencode(
            sorted((name, value) for name, values in self._given.items() if name not in _PASSING for value in values)
        )

    def one(self, name: str) -> str | None:
        """The value of a parameter that can be given once; None when it is not there."""
        values = self._given.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise bad_parameter(name, f"{name} can be given once only.")
        return values[0]

    def several(self, name: str) -> list[str]:
        """The values of a parameter that can be given several times."""
        return list(self._given.get(name, ()))

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of `choices`, of which the first is the default."""
        value = self.one(name)
        if value is None:
            return choices[0]
        if value not in choices:
            raise bad_parameter(name, f"{name} is one of {', '.join(choices)}.", _near(value, choices))
        return value

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`; None when it is not there."""
        value = self.one(name)
        return None if value is None else whole(name, value, low, high)


def whole(name: str, text: str, low: int, high: int) -> int:
    """The whole number in `text`, from `low` to `high`; BadRequest names the parameter."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18 and low <= int(text) <= high:
        return int(text)
    raise bad_parameter(name, f"{name} is a whole number from {low} to {high}.")


def bad_parameter(name: str, detail: str, suggestion: str | None = None) -> BadRequest:
    """The error for a parameter's value."""
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
        advice = f"this takes {', '.join(sorted(known))}." if known else "this takes none."
    extra = {"suggestion": suggestion} if suggestion else {}
    return BadRequest(
        f"There is no parameter {name!r} here; {advice}", code="unknown_parameter", parameter=name, **extra
    )


def _near(text: str, choices: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(text, choices, 1)), None)
