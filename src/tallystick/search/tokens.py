"""The tokens of a search query, each with its position; the first unreadable one raises."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal, NoReturn

from tallystick.errors import BadRequest
from tallystick.query.case_folding import fold
from tallystick.search.qualifiers import EXAMPLES, NAMES, PARTS, closest_match

LONGEST = 2_000

Kind = Literal["(", ")", "-", "AND", "OR", "NOT", "word", "qualifier", "path", "end"]
_OPERATORS: dict[str, Kind] = {"AND": "AND", "OR": "OR", "NOT": "NOT"}

# What people from other products write for our names; with a dot at the end, what a path begins with.
_OTHER_NAMES = {
    "usr": "user", "actor": "user", "email": "user", "who": "user", "by": "user", "username": "user", "name": "user",
    "event": "action", "verb": "action", "act": "action", "outcome": "status", "result": "status", "state": "status",
    "cat": "category", "res": "resource", "target": "resource", "resource_type": "type", "kind": "type",
    "address": "ip", "addr": "ip", "ip_address": "ip", "cidr": "ip", "since": "after", "from": "after",
    "start": "after", "until": "before", "to": "before", "end": "before", "date": "on", "day": "on", "time": "on",
    "event_id": "id", "session_id": "session", "request_id": "request", "trace_id": "trace", "on_behalf_of": "for",
    "behalf": "for", "recorder": "recorded_by", "level": "severity", "sev": "severity", "why": "reason",
    "status_reason": "reason", "original_action": "original", "agent": "actor_type", "actor_kind": "actor_type",
    "useragent": "user_agent", "ua": "user_agent", "geo": "country", "auth_method": "auth",
    "credential_id": "credential", "external": "external_id", "tenant": "account", "account_id": "account",
    "change": "changes.", "changes": "changes.",
    "response": "response.", "metadata": "metadata.", "meta": "metadata.", "details": "metadata.",
}  # fmt: skip
_LIKE_A_NAME = re.compile(r"[^\W\d][\w.-]*")
# The lookbehind keeps a long run of backslashes from being read once for each of them.
_WORD = re.compile(r'(?:(?<!\\)\\(?:\\\\)*"|[^\s()"])*')
_BACKSLASHES = re.compile(r'(?<!\\)(\\*)(?=["*]|\Z)')
_BACKSLASHES_IN_PATTERN = re.compile(r'(?<!\\)(\\*)(?="|\Z)')
_QUOTES = re.compile(r'(?<!\\)(\\*)"')
# What no operator of the search language is made of.
_PLAIN = re.compile(r"[\w.@:/+*%~\\-]+")
_PLAIN_KEY = re.compile(r"[\w-]+")
_AFTER_QUOTE = re.compile(r"[^\s()]*")


class QueryMistake(BadRequest):
    """A query that cannot be parsed. `column` counts characters from 1; `suggestion` is the corrected query."""

    code, title = "bad_query", "The search cannot be read"

    def __init__(self, detail: str, *, column: int, suggestion: str) -> None:
        super().__init__(detail, column=column, suggestion=suggestion)


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `text` is a word or value without quotes, `name` a qualifier or path (folded). A star in `text` is
    still escaped (`query.values.pieces_of`).

    It covers start ≤ position < end of the query; a value begins at `value_at`.
    """

    kind: Kind
    start: int
    end: int
    text: str = ""
    name: str = ""
    value_at: int = 0


def tokens_of(query: str) -> list[Token]:
    """The tokens of the query, "end" last. Raises QueryMistake."""
    _check_letters(query)
    reader = _Reader(query)
    found = [reader.token()]
    while found[-1].kind != "end":
        found.append(reader.token())
    return found


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


def _check_letters(query: str) -> None:
    if len(query) > LONGEST:
        detail = f"A search can have at most {LONGEST:,} characters; this has {len(query):,}."
        mistake(query, LONGEST, len(query), detail, "")
    for at, letter in enumerate(query):
        if letter == "\0" or "\ud800" <= letter <= "\udfff":
            name = "the character NUL" if letter == "\0" else "half a character (a lone surrogate)"
            mistake(query, at, at + 1, f"Remove {name} here: no event contains it.", "")


class _Reader:
    """Reads the query from left to right."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0

    def token(self) -> Token:
        """The next token."""
        while self._letter(self._at).isspace():
            self._at += 1
        start, letter = self._at, self._letter(self._at)
        if not letter:
            return Token("end", start, start)
        if letter in "()":
            self._at += 1
            return Token("(" if letter == "(" else ")", start, self._at)
        if letter == "-":
            return self._minus(start)
        if letter == '"':
            text = self._phrase(start)
            if not text:
                rest = (self._query[:start] + self._query[self._at :]).strip()
                self._wrong(start, self._at, "The quotes are empty.", "" if rest else quoted('"'))
            return Token("word", start, self._at, text)
        return self._word(start)

    def _minus(self, start: int) -> Token:
        following = self._letter(start + 1)
        if following == "-":
            word = self._until_blank(start)
            self._wrong(
                start,
                start + len(word),
                "A single `-` excludes what follows it. To search for text with several dashes, put it in quotes.",
                quoted(word),
            )
        if not following or following.isspace() or following == ")":
            detail = (
                "`-` excludes what follows it directly, but nothing follows. To search for a dash, put it in quotes."
            )
            self._wrong(start, start + 1, detail, quoted("-"))
        self._at = start + 1
        return Token("-", start, self._at)

    def _phrase(self, start: int) -> str:
        """The text between the quote at `start` and the next that is not escaped (`_without_escapes`)."""
        query = self._query
        for quote in _QUOTES.finditer(query, start + 1):
            if len(quote[1]) % 2 == 0:
                break
        else:
            inside = query[start + 1 :].rstrip().rstrip("\\")
            detail = 'This quote is not closed. Add `"` where the phrase ends.'
            self._wrong(start, len(query), detail, f'"{inside}"' if inside else quoted('"'))
        self._at = quote.end()
        if _at(_AFTER_QUOTE, query, self._at):
            detail = 'Put a space after the quote that ends a phrase. Write a quote inside a phrase as `\\"`.'
            self._wrong(self._at, self._at, detail, " ")
        return _without_escapes(query[start + 1 : quote.end()])[:-1]

    def _word(self, start: int) -> Token:
        word = self._until_blank(start)
        self._at = start + len(word)
        quote_follows = self._letter(self._at) == '"'
        name, colon, value = word.partition(":")
        kind = _kind_of(name) if colon else None
        if kind:
            return self._qualified(start, kind, name, value)
        if quote_follows:
            whole = quoted(_at(_AFTER_QUOTE, self._query, start))
            detail = f"A quote is inside a word. Put a space before it, or write {whole} to search for the text."
            self._wrong(self._at, self._at, detail, " ")
        if word in _OPERATORS:
            return Token(_OPERATORS[word], start, self._at, word)
        if colon and _LIKE_A_NAME.fullmatch(name) and not _is_address(word, value):
            self._unknown(start, name, value)
        return Token("word", start, self._at, _without_escapes(word))

    def _qualified(self, start: int, kind: Kind, name: str, value: str) -> Token:
        value_at = start + len(name) + 1
        lower = fold(name)
        if kind == "path" and not all(lower.split(".")):
            keys = ".".join(key for key in name.split(".") if key)
            detail = "In a path, each dot needs a key on both sides."
            self._wrong(start, start + len(name), detail, keys if "." in keys else keys + ".error")
        if self._letter(self._at) == '"':
            if value:
                self._wrong(self._at, self._at, "Put the quotes around the whole value.", " ")
            value = self._phrase(self._at)
        else:
            value = _without_escapes(value)
        if not value:
            self._no_value(name, value_at, EXAMPLES.get(lower, "text"))
        return Token(kind, start, self._at, value, lower, value_at)

    def _no_value(self, name: str, value_at: int, example: str) -> NoReturn:
        if self._letter(self._at) == "(":
            detail = f"`{name}:` takes one value. For several, write `({name}:a OR {name}:b)`."
            self._wrong(self._at, self._at, detail, example + " ")
        detail = f"`{name}:` needs a value directly after the colon, as in `{name}:{example}`."
        self._wrong(value_at, self._at, detail, example)

    def _unknown(self, start: int, name: str, value: str) -> NoReturn:
        word = f"{name}:{value}"
        part, dot, below = name.partition(".")
        root = closest_match(fold(part), PARTS) if dot else None
        near = f"{root}.{below}" if root else closest_match(fold(name), (*NAMES, *_OTHER_NAMES))
        meant = _OTHER_NAMES.get(near, near) if near else None
        instead, detail = quoted(word), f"Unknown qualifier `{name}:`. "
        if meant and meant.endswith("."):
            detail += f"For a value in the details, give its path, as in `{meant}team:{value or 'text'}`. "
        elif meant:
            detail += f"Did you mean `{meant}:`? "
            instead = f"{meant}:{value or EXAMPLES.get(meant, 'text')}"
        else:
            detail += f"There are {', '.join(f'`{known}:`' for known in NAMES)} and paths such as `changes.error:`. "
        detail += f"To search for the text itself, put it in quotes: `{quoted(word)}`."
        self._wrong(start, start + len(word), detail, instead)

    def _until_blank(self, start: int) -> str:
        return _at(_WORD, self._query, start)

    def _letter(self, at: int) -> str:
        return self._query[at : at + 1]

    def _wrong(self, start: int, end: int, detail: str, instead: str) -> NoReturn:
        mistake(self._query, start, end, detail, instead)


def _without_escapes(text: str) -> str:
    """The text without the escapes of quotes: in a run of backslashes directly before a quote two are one, and an odd
    one belongs to the quote. Any other backslash is itself."""
    return _QUOTES.sub(lambda quote: "\\" * (len(quote[1]) // 2) + '"', text)


def _kind_of(name: str) -> Kind | None:
    lower = fold(name)
    if lower in NAMES:
        return "qualifier"
    part, dot, _ = lower.partition(".")
    return "path" if dot and part in PARTS else None


def _is_address(word: str, value: str) -> bool:
    """Whether it is a URL or an IPv6 address, which contain colons too; no qualifier looks like them."""
    if value.startswith("//"):
        return True
    try:
        return bool(ip_network(word, strict=False))
    except ValueError:
        return False


def _at(pattern: re.Pattern[str], text: str, at: int) -> str:
    found = pattern.match(text, at)
    return found[0] if found else ""
