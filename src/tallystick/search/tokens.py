"""The words of a search box: cut out of the text, each with the column where it stands."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tallystick.errors import BadRequest

LONGEST = 2000
Kind = Literal["word", "qualifier", "or", "not", "open", "close", "end"]

QUALIFIERS = (
    "user", "action", "category", "status", "resource", "type", "ip",
    "after", "before", "on", "id", "session", "request",
)  # fmt: skip
PATH_ROOTS = ("changes", "request", "response", "metadata")

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\s()]+")
# A name and a colon, but not what is plainly an address or a URL: `fe80::1`, `https://…`.
_NAMED = re.compile(r"([A-Za-z][^\s():\"]*):(?!:|//)")
_PHRASE = re.compile(r'"((?:\\"|[^"])*)"')


class QueryMistake(BadRequest):
    """A search that cannot be understood: `column` (from 1), what is wrong, and what may have been meant."""

    code, title = "bad_query", "The search cannot be understood"

    def __init__(self, detail: str, column: int, suggestion: str | None = None) -> None:
        extra = {} if suggestion is None else {"suggestion": suggestion}
        super().__init__(detail, column=column, **extra)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text; `name` is the qualifier in lower case, or the path as written."""

    kind: Kind
    column: int
    text: str = ""
    name: str = ""


def tokens(text: str) -> Iterator[Token]:
    """The pieces in order, the last of kind `end`. Raises QueryMistake."""
    if len(text) > LONGEST:
        raise QueryMistake(f"A search has at most {LONGEST:,} characters; this has {len(text):,}.", LONGEST + 1)
    if "\0" in text:
        raise QueryMistake("NUL stands in no event. Leave it out.", text.index("\0") + 1)
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
        elif text[at] in "()":
            yield Token("open" if text[at] == "(" else "close", at + 1)
            at += 1
        elif text[at] == "-":
            if at + 1 == len(text) or text[at + 1].isspace() or text[at + 1] == ")":
                raise QueryMistake('A "-" excludes the word after it; here stands none.', at + 1, '"-"')
            if text[at + 1] == "-":
                raise QueryMistake('One "-" excludes. To find a word that begins with one, put it in quotes.', at + 1)
            yield Token("not", at + 1)
            at += 1
        else:
            token, at = _piece(text, at)
            yield token
    yield Token("end", len(text) + 1)


def _piece(text: str, at: int) -> tuple[Token, int]:
    if text[at] == '"':
        phrase, end = _phrase(text, at)
        if not phrase:
            raise QueryMistake("The quotes are empty. Write what is looked for between them.", at + 1)
        return Token("word", at + 1, phrase), end
    if named := _NAMED.match(text, at):
        return _qualifier(text, at, named)
    word = _word(text, at)
    if word == "OR":
        return Token("or", at + 1, "OR"), at + len(word)
    if word in ("AND", "NOT"):
        advice = "words are joined by and anyway" if word == "AND" else 'to exclude a word write "-" before it'
        raise QueryMistake(f"{word} is no operator here: {advice}. To find it, put it in quotes.", at + 1, f'"{word}"')
    return Token("word", at + 1, word), at + len(word)


def _word(text: str, at: int) -> str:
    found = _WORD.match(text, at)
    return found[0] if found else ""


def _qualifier(text: str, at: int, named: re.Match[str]) -> tuple[Token, int]:
    name = named[1]
    root, dot, below = name.partition(".")
    is_path = bool(dot) and root.lower() in PATH_ROOTS
    if is_path and not below.strip("."):
        raise QueryMistake(f"{name} lacks the name of a value.", at + 1, f"{root}.error:…")
    if not is_path and name.lower() not in QUALIFIERS:
        raise _unknown(text, at, name)
    value_at = named.end()
    if value_at < len(text) and text[value_at] == '"':
        value, end = _phrase(text, value_at)
    else:
        value = _word(text, value_at)
        end = value_at + len(value)
    if not value:
        raise QueryMistake(f"{name}: needs a value right after the colon.", at + 1, _example(name))
    return Token("qualifier", at + 1, value, name if is_path else name.lower()), end


def _phrase(text: str, at: int) -> tuple[str, int]:
    found = _PHRASE.match(text, at)
    if found is None:
        raise QueryMistake("The quote that opens here is not closed.", at + 1, text[at:] + '"')
    return found[1].replace('\\"', '"'), found.end()


def _unknown(text: str, at: int, name: str) -> QueryMistake:
    whole = _word(text, at)
    root = name.partition(".")[0].lower()
    known = (*QUALIFIERS, *PATH_ROOTS)
    close = difflib.get_close_matches(root, known, 1, cutoff=0.6)
    quoted = '"' + whole.replace('"', '\\"') + '"'
    if close:
        meant = close[0] + name[len(root) :] + whole[len(name) :]
        return QueryMistake(
            f"There is no {name}: to search by. Did you mean {close[0]}? To find the text itself, put it in quotes.",
            at + 1,
            meant,
        )
    return QueryMistake(
        f"There is no {name}: to search by; known are {', '.join(QUALIFIERS)} and paths such as changes.error. "
        "To find the text itself, put it in quotes.",
        at + 1,
        quoted,
    )


def _example(name: str) -> str:
    examples = {
        "user": "user:sarah@acme.com", "action": "action:deployment.*", "category": "category:deployments",
        "status": "status:failed", "resource": "resource:vpc-production", "type": "type:project",
        "ip": "ip:10.0.0.0/8", "after": "after:2024-01-15", "before": "before:2024-01-16", "on": "on:2024-01-15",
    }  # fmt: skip
    return examples.get(name.lower(), f"{name}:…")
