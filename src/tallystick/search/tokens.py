"""The tokens of a search query, and how values are written in one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from tallystick.errors import BadRequest
from tallystick.search.term_heads import Operator

LONGEST = 2_000

Kind = Literal["(", ")", "[", "]", "-", "AND", "OR", "NOT", "word", "qualifier", "path", "end"]

_BACKSLASHES = re.compile(r'(?<!\\)(\\*)(?=["*]|\Z)')
_BACKSLASHES_IN_PATTERN = re.compile(r'(?<!\\)(\\*)(?="|\Z)')
QUOTES = re.compile(r'(?<!\\)(\\*)"')
# What no operator of the search language is made of.
_PLAIN = re.compile(r"[\w.@:/+*%~\\-]+")
_PLAIN_KEY = re.compile(r"[\w-]+")


class QueryMistake(BadRequest):
    """A query that cannot be parsed. `column` counts characters from 1; `suggestion` is the corrected query."""

    code, title = "bad_query", "The search cannot be read"

    def __init__(self, detail: str, *, column: int, suggestion: str) -> None:
        super().__init__(detail, column=column, suggestion=suggestion)


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `text` is a word or value without quotes, `name` a qualifier or path (folded). A star in `text` is
    still escaped (`query.values.pieces_of`).

    It covers start ≤ position < end of the query; a value begins at `value_at`. A value is compared by `operator`, ""
    being the usual one; of a range, `ends` are its brackets if it was written with some. "[" begins the conditions on
    an element of the list at the path `name`, and "]" ends them. The name as written ends at `name_end`; 0 for one of
    several values in parentheses.
    """

    kind: Kind
    start: int
    end: int
    text: str = ""
    name: str = ""
    value_at: int = 0
    is_quoted: bool = False
    operator: Operator = ""
    ends: str = ""
    name_end: int = 0


def mistake(query: str, start: int, end: int, detail: str, instead: str) -> NoReturn:
    """Raise a QueryMistake at `start`, suggesting `instead` in place of the text until `end`."""
    suggestion = f"{query[:start]}{instead}{query[end:]}".strip()
    raise QueryMistake(detail, column=start + 1, suggestion=suggestion)


def quoted(text: str) -> str:
    """The text as a quoted phrase."""
    return '"' + _BACKSLASHES.sub(r"\1\1", text).replace('"', '\\"') + '"'


def quoted_pattern(pattern: str) -> str:
    """The pattern as the value of a qualifier or path, in quotes unless it can be read without them."""
    if _PLAIN.fullmatch(pattern) and ".." not in pattern:
        return pattern
    return '"' + _BACKSLASHES_IN_PATTERN.sub(r"\1\1", pattern).replace('"', '\\"') + '"'


def path_term(keys: Sequence[str], value: str) -> str:
    """The term for a value in the details; `keys` lead to it, the first being one of PARTS."""
    part, *below = keys
    path = ".".join([part, *(key if _PLAIN_KEY.fullmatch(key) else quoted(key) for key in below)])
    is_plain = _PLAIN.fullmatch(value) and "*" not in value and ".." not in value
    return f"{path}:{value if is_plain else quoted(value)}"


def without_escapes(text: str) -> str:
    """The text without the escapes of quotes: in a run of backslashes directly before a quote two are one, and an odd
    one belongs to the quote. Any other backslash is itself."""
    return QUOTES.sub(lambda quote: "\\" * (len(quote[1]) // 2) + '"', text)
