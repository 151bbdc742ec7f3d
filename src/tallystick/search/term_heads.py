"""What a term of a search begins with: a qualifier or path, and what compares it with the value."""

import re
from dataclasses import dataclass
from typing import Literal

from tallystick.query.case_folding import fold
from tallystick.query.values import unescaped
from tallystick.search.near_names import TIMES
from tallystick.search.qualifiers import NAMES, PARTS

Operator = Literal["", "=", ">", ">=", "<", "<=", ".."]
COMPARISONS: tuple[Operator, ...] = (">", ">=", "<", "<=")

_ROOT = re.compile(r"@?([\w-]+)")
# A key of a path; one with other letters is written in quotes.
_KEY = re.compile(r"""[^\s()"“”:=<>!~|&,.\[\]{}]+""")
_QUOTED_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_OPERATOR = re.compile(r"(!=|<>|!:|>=|<=|==|=~|!~|=|>|<|:|：)")
_IN_VALUE = re.compile(r"!=|<>|>=|<=|==|=~|!~|!|=|>|<")
_RANGE = re.compile(r"[\[{]|[^\s()\"]+\.\.")
_BLANKS = re.compile(r"\s*")
# How other products spell our operators; a regular expression is none of ours.
_SPELLINGS: dict[str, Operator] = {
    "": "", ":": "", "：": "", "!": "", "!:": "", "=": "=", "==": "=", "!=": "=", "<>": "=",
    ">": ">", ">=": ">=", "<": "<", "<=": "<=",
}  # fmt: skip
REGULAR_EXPRESSION = frozenset({"=~", "!~"})


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a term, from `start` of the query up to `value_at`.

    `name` is folded, keys joined by dots; `written` as it stands in the query. `spelling` is the operator as it was
    written, without a colon before it. `opens_element`: a bracket follows the path.
    """

    kind: Literal["qualifier", "path"]
    name: str
    written: str
    start: int
    value_at: int
    spelling: str
    opens_element: bool = False

    @property
    def operator(self) -> Operator:
        return _SPELLINGS.get(self.spelling, "")

    @property
    def is_negated(self) -> bool:
        return self.spelling.startswith("!") or self.spelling == "<>"


def head_of(query: str, start: int, *, relative: bool = False) -> Head | None:
    """The head of the term that begins at `start`; None if it is a word. `relative`: the path is one in an element."""
    name = _relative_path(query, start) if relative else _name(query, start)
    if name is None:
        return None
    kind, folded, end = name
    written = query[start:end]
    if kind == "path" and not relative and query[end : end + 1] == "[":
        return Head(kind, folded, written, start, end + 1, "", opens_element=True)
    return _with_operator(query, Head(kind, folded, written, start, end, ""))


def comparison_of(value: str) -> tuple[Operator, str] | None:
    """The comparison at the beginning of a value, and the rest of it; None if there is none."""
    found = _IN_VALUE.match(value)
    operator = _SPELLINGS.get(found[0]) if found else None
    return (operator, value[len(found[0]) :]) if found and operator and found.end() < len(value) else None


def _with_operator(query: str, head: Head) -> Head | None:
    """The head with its operator; a colon may have another one behind it, and blanks may stand around."""
    end = head.value_at
    after_blanks = _skip(query, end)
    found = _OPERATOR.match(query, after_blanks)
    if found is None or (after_blanks > end and not query[found.end() : found.end() + 1].isspace()):
        return None
    spelling, at = found[0], found.end()
    if spelling in (":", "："):
        inner = _IN_VALUE.match(query, at)
        spelling, at = (inner[0], inner.end()) if inner else ("", at)
    is_ours = head.kind == "path" or fold(head.written.lstrip("@")) in NAMES
    if not is_ours and _SPELLINGS.get(spelling) not in COMPARISONS and not _RANGE.match(query, at):
        return None  # a name of times that is not ours, and not compared
    return Head(head.kind, head.name, head.written, head.start, at, spelling)


def _name(query: str, start: int) -> tuple[Literal["qualifier", "path"], str, int] | None:
    root = _ROOT.match(query, start)
    if root is None:
        return None
    name, end = fold(root[1]), root.end()
    if name in PARTS and query[end : end + 1] == ".":
        return _path(query, name, end)
    if name in NAMES or (name in TIMES and name not in NAMES):
        return "qualifier", name if name in NAMES else "on", end
    return ("path", name, end) if name in PARTS else None


def _path(query: str, root: str, end: int) -> tuple[Literal["path"], str, int]:
    keys = [root]
    while query[end : end + 1] == ".":
        found = _QUOTED_KEY.match(query, end + 1) or _KEY.match(query, end + 1)
        keys.append(_key(found) if found else "")
        end = found.end() if found else end + 1
    return "path", fold(".".join(keys)), end


def _relative_path(query: str, start: int) -> tuple[Literal["path"], str, int] | None:
    first = _QUOTED_KEY.match(query, start) or _KEY.match(query, start)
    if first is None:
        return None
    return _path(query, _key(first), first.end())


def has_gap(written: str) -> bool:
    """Whether a path has a dot without a key beside it."""
    return not all(_QUOTED_KEY.sub("key", written).split("."))


def _key(found: re.Match[str]) -> str:
    return key_of(found[1]) if found.re is _QUOTED_KEY else found[0]


def key_of(inside: str) -> str:
    """A key from the text between its quotes."""
    return unescaped(re.sub(r'(?<!\\)(\\*)"', lambda quote: "\\" * (len(quote[1]) // 2) + '"', inside))


def _skip(query: str, at: int) -> int:
    found = _BLANKS.match(query, at)
    return found.end() if found else at
