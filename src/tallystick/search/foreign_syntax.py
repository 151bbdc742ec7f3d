"""Signs and words that people bring from other products' search boxes: read as ours, or refused with a correction."""

import re
from typing import Literal, NamedTuple

from tallystick.query.case_folding import fold
from tallystick.search.near_names import ELSEWHERE, HAS_VALUE, LACKS_VALUE
from tallystick.search.qualifiers import NAMES
from tallystick.search.term_heads import Head, head_of

DOUBLE_QUOTES = "“”„‟«»″＂"
_CLOSERS = {"'": "'’", "‘": "’'", "`": "`"} | dict.fromkeys(DOUBLE_QUOTES, DOUBLE_QUOTES + '"')
DASHES = "–−—"
INVISIBLE = "\u00ad\u200b\u200c\u200e\u200f\u2060\ufeff"  # what pages and mails put around a text that is copied
SMALL_JOINTS: dict[str, Literal["AND", "OR", "NOT"]] = {"and": "AND", "or": "OR", "not": "NOT"}
RANGE = re.compile(
    r"(?P<open>[\[{])\s*(?P<first>[^\s\]}]+)\s+TO\s+(?P<last>[^\s\]}]+)\s*(?P<close>[\]}])", re.IGNORECASE
)

_JOINTS: dict[str, Literal["AND", "OR", "NOT"]] = {
    "AND": "AND", "OR": "OR", "NOT": "NOT", "&&": "AND", "||": "OR", "&": "AND", "+": "AND", "|": "OR",
}  # fmt: skip
_JOINT = re.compile(r'(?:AND|OR|NOT)(?=[\s()"]|\Z)|&&|\|\||[&+](?=\s|\Z)|\|')
_SMALL_JOINT = re.compile(r'(?:and|or|not)(?=[\s()"]|\Z)', re.IGNORECASE)
_PIPE = re.compile(
    r"\|(?:[=~]|\s*(?:stats|where|sort|head|tail|table|fields|dedup|timechart|chart|top|rare|count|limit|project|extend|"
    r"summarize|order|take|json|logfmt|line_format|label_format|parse|rex|eval|rename|search|filter|group|by|tstats|"
    r"transaction|distinct|make-series|render|bin|mvexpand|lookup|join|regexp?|unpack|pattern|grep|jq|awk|sed|wc|uniq)\b)",
    re.IGNORECASE,
)
_SELECT = re.compile(r"\s*select\b.*?\bfrom\b", re.IGNORECASE | re.DOTALL)
_WHERE = re.compile(
    r"\bwhere\b(.*?)(?:\b(?:group|order)\s+by\b.*|\blimit\b.*|;.*)?\Z", re.IGNORECASE | re.DOTALL
)  # fmt: skip
_SLASHES = re.compile(r"/((?:[^/\s\\]|\\\S)+)/[a-z]*(?=[\s)]|\Z)")
_META = re.compile(r"\.[*+?]|[\\^$|\[\]()]|\{\d")
_ALTERNATIVES = re.compile(r"[\w.@*-]+(?:\|[\w.@*-]+)+(?=[\s)]|\Z)")
_PREFIXED = re.compile(r"(?P<name>[\w]+):(?P<path>@?[\w.-]+)(?=[\s)]|\Z)")
_ELSEWHERE = re.compile(r"(?P<name>[\w]+)\s*[:=]\s*(?P<value>\"[^\"]*\"|[^\s()\"]*)")
_ATTRIBUTE = re.compile(r"@(?P<path>[A-Za-z_][\w-]*(?:\.[\w-]+)+):")
_WORD_OPERATOR = re.compile(
    r"\s+(?P<not>not\s+)?(?:(?P<in>in)\s*(?=\()|(?P<word>i?like|contains|startswith|endswith)\s+"
    r"(?:'(?P<one>[^']*)'|\"(?P<two>[^\"]*)\"|(?P<bare>[^\s()'\"]+)))",
    re.IGNORECASE,
)
_REGULAR = "A search has no regular expressions; `*` stands for any text."


class Joint(NamedTuple):
    """A word or sign between two terms, as written in `text`."""

    kind: Literal["AND", "OR", "NOT"]
    text: str


class Refusal(NamedTuple):
    """Why the query cannot be read from `start` to `end`, and what to write there instead."""

    start: int
    end: int
    detail: str
    instead: str


def joint_at(query: str, start: int, *, of_values: bool = False) -> Joint | None:
    """The joint at `start`; between values of one qualifier, small letters are joints too."""
    if found := _JOINT.match(query, start):
        return Joint(_JOINTS[found[0]], found[0])
    small = _SMALL_JOINT.match(query, start) if of_values else None
    return Joint(SMALL_JOINTS[small[0].lower()], small[0]) if small else None


def glued_joint(word: str) -> int:
    """Where the word ends before `&&` or `||`; its length if neither is in it, or it is a URL."""
    places = [at for sign in ("&&", "||") if (at := word.find(sign)) > 0]
    return len(word) if not places or "://" in word else min(places)


def quoted_end(query: str, start: int) -> int | None:
    """Where the phrase ends that a quote of another kind than `"` opens at `start`; None if it opens none."""
    closers = _CLOSERS.get(query[start : start + 1])
    if closers is None:
        return None
    at = start + 1
    while at < len(query):
        if query[at] in closers and at > start + 1:
            following = query[at + 1 : at + 2]
            if query[start] in DOUBLE_QUOTES or not following or following.isspace() or following in ")],":
                return at
        at += 1
    return None


def begins_value(query: str, at: int) -> bool:
    """Whether the text behind a colon and blanks is the value that was meant."""
    letter = query[at : at + 1]
    return bool(letter) and letter not in ")]-!" and joint_at(query, at) is None and head_of(query, at) is None


def refused_query(query: str) -> Refusal | None:
    """The refusal of a query in another language."""
    if not _SELECT.match(query):
        return None
    where = _WHERE.search(query)
    condition = where[1].strip() if where else ""
    detail = "This is SQL. Write the condition alone, as in `user:sarah@acme.com status:failed`."
    return Refusal(0, len(query), detail, condition)


def refused_term(query: str, start: int) -> Refusal | None:
    """The refusal of the term at `start`, if other products read it in a way that we do not."""
    if _PIPE.match(query, start):
        detail = "A search has no pipes or commands. Leave out what follows `|`."
        return Refusal(start, len(query), detail, "")
    if found := _SLASHES.match(query, start):
        if _META.search(found[1]):
            return Refusal(start, found.end(), _REGULAR, _glob(found[1]))
        return None
    if found := _ALTERNATIVES.match(query, start):
        detail = "`|` inside a word is read as the sign. For either word, write `(a OR b)`."
        return Refusal(start, found.end(), detail, f"({found[0].replace('|', ' OR ')})")
    if found := _ATTRIBUTE.match(query, start):
        detail = f"Attributes are called by their path, as in `metadata.{found['path']}:`."
        return Refusal(start, found.end(), detail, f"metadata.{found['path']}:")
    return _refused_name(query, start)


def _refused_name(query: str, start: int) -> Refusal | None:
    found = _PREFIXED.match(query, start)
    if found and (name := fold(found["name"])) in HAS_VALUE | LACKS_VALUE:
        sign, path = "-" if name in LACKS_VALUE else "", found["path"].removeprefix("@")
        if head_of(f"{path}:", 0) is not None:
            detail = f"Write `{sign}{path}:*` for events that {'lack' if sign else 'have'} a value there."
            return Refusal(start, found.end(), detail, f"{sign}{path}:*")
    found = _ELSEWHERE.match(query, start)
    if found and fold(found["name"]) in ELSEWHERE:
        others = (query[:start] + query[found.end() :]).strip()
        detail = f"There is no `{found['name']}` to choose: a search looks at all events. Leave it out."
        return Refusal(start, found.end(), detail, "" if others else f'"{found["name"]}"')
    word = re.compile(r"[\w.]+").match(query, start)
    if word is None or (fold(word[0]) not in NAMES and head_of(f"{word[0]}:", 0) is None):
        return None
    return _refused_operator(query, start, word)


def _refused_operator(query: str, start: int, word: re.Match[str]) -> Refusal | None:
    """The refusal of `user like 'sar%'`, `user in (a, b)` and the like."""
    found = _WORD_OPERATOR.match(query, word.end())
    if found is None:
        return None
    sign = "-" if found["not"] else ""
    if found["in"]:
        detail = f"For one of several values, write `{word[0]}:(a OR b)`."
        return Refusal(start, found.end(), detail, f"{sign}{word[0]}:")
    value, operator = found["one"] or found["two"] or found["bare"] or "", found["word"].lower()
    pattern = {"contains": f"*{value}*", "startswith": f"{value}*", "endswith": f"*{value}"}.get(operator)
    pattern = value.replace("%", "*") if pattern is None else pattern
    detail = f"Write `{word[0]}:`, with `*` for any text."
    return Refusal(start, found.end(), detail, f"{sign}{word[0]}:{_quoted_if_blank(pattern) or '*'}")


def refused_value(query: str, head: Head, start: int) -> Refusal | None:
    """The refusal of the unquoted value at `start`."""
    if (found := _SLASHES.match(query, start)) and _META.search(found[1]):
        return Refusal(start, found.end(), _REGULAR, _pattern(head, found[1]))
    if found := _ALTERNATIVES.match(query, start):
        detail = f"`|` is read as the sign. For either value, write `{head.written}:(a OR b)`."
        return Refusal(start, found.end(), detail, f"({found[0].replace('|', ' OR ')})")
    return None


def refused_expression(query: str, head: Head, start: int, end: int) -> Refusal:
    """The refusal of `name=~"expression"`, whose value is at `start`."""
    expression = query[start:end].strip("\"'`/")
    sign = "-" if head.is_negated else ""
    return Refusal(head.start, end, _REGULAR, f"{sign}{head.written}:{_pattern(head, expression)}")


def refused_key(query: str, start: int, end: int) -> Refusal | None:
    """The refusal of a phrase before a colon, as in a line of JSON."""
    if query[end : end + 1] != ":":
        return None
    key = query[start + 1 : end - 1]
    name = fold(key) if fold(key) in NAMES else ""
    detail = "This is a line of JSON. Search for its value, or for a value at its path, as in `metadata.team:platform`."
    value_at = end + 1
    while query[value_at : value_at + 1].isspace():
        value_at += 1
    if value_at == len(query):
        return Refusal(start, len(query), detail, query[start:end])
    return Refusal(start, value_at, detail, f"{name}:" if name else "")


def _pattern(head: Head, expression: str) -> str:
    pattern = _glob(expression)
    if head.kind == "path":
        pattern = pattern.strip("*")
    return _quoted_if_blank(pattern) or "*"


def _glob(expression: str) -> str:
    """A pattern with stars that is like the regular expression."""
    anchored = expression.removeprefix("^").removesuffix("$")
    stars = re.sub(r"(?:\\[dwsDWS]|\[[^\]]*\]|\.)(?:[*+?]|\{[0-9,]*\})|\\[dwsDWS]|\[[^\]]*\]", "*", anchored)
    plain = re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)[()^$?+|{}]", "*", stars))
    return re.sub(r"\*+", "*", plain).replace('"', "")


def _quoted_if_blank(pattern: str) -> str:
    return f'"{pattern}"' if re.search(r"[\s()\[\]]", pattern) else pattern
