"""The grammar of the search box: from text to a condition, or to a mistake with its column.

    query := group ("OR" group)*        group := part (["AND"] part)*
    part  := ["-" | "NOT"] ("(" query ")" | word | "phrase" | qualifier:value | path:value | path[query])

In one group, a repeated qualifier matches any of its values; but `>` and `<` of one path must both hold.
"""

from typing import NoReturn

from tallystick.clock import zone_of
from tallystick.errors import BadRequest
from tallystick.query.conditions import (
    EVERYTHING,
    And,
    AtPath,
    Between,
    Condition,
    Contains,
    ContainsInOrder,
    EqualTo,
    InElement,
    Not,
    Or,
    ValueAtPath,
)
from tallystick.search.dates import Clock
from tallystick.search.qualifiers import BadValue, any_of
from tallystick.search.term_heads import COMPARISONS
from tallystick.search.token_reader import tokens_of
from tallystick.search.tokens import QueryMistake, Token, mistake, quoted, quoted_pattern
from tallystick.search.value_conditions import path_condition, qualifier_condition, word_condition

MOST_TERMS = 100
DEEPEST = 20
MOST_CORRECTIONS = 10  # of one query, one after another

# What cannot begin a part.
_ENDS = ("AND", "OR", ")", "]", "end")


def parse(text: str, *, now: int, zone: str = "UTC") -> Condition:
    """The condition of the text; blank text matches everything. Raises QueryMistake; the query that it suggests can be
    read, and is "" if none was found.

    `now` (microseconds since 1970 UTC) and `zone` (IANA name) define `today`, `7d` and bare dates.
    """
    try:
        clock = Clock(now, zone_of(zone))
    except ValueError:
        raise BadRequest(f"Unknown time zone {zone[:60]!r}.", code="bad_parameter", parameter="tz") from None
    try:
        return _Parser(text, clock).parse()
    except QueryMistake as first:
        first.extra["suggestion"] = _readable(str(first.extra["suggestion"]), clock)
        raise


def _readable(suggestion: str, clock: Clock) -> str:
    """The suggestion, with its own mistakes corrected too; "" if it has too many."""
    for _ in range(MOST_CORRECTIONS):
        try:
            _Parser(suggestion, clock).parse()
        except QueryMistake as other:
            suggestion = str(other.extra["suggestion"])
        else:
            return suggestion
    return ""


def needles(condition: Condition) -> tuple[str, ...]:
    """The folded words by which an event matches, for highlighting; excluded words are left out."""
    match condition:
        case Contains(needle):
            return (needle,)
        case AtPath(_, wanted) | ContainsInOrder(wanted):
            return wanted
        case ValueAtPath(_, EqualTo(text)):
            return (text,)
        case InElement(_, inner):
            return needles(inner)
        case And(conditions) | Or(conditions):
            return tuple(dict.fromkeys(needle for each in conditions for needle in needles(each)))
        case _:
            return ()


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str, clock: Clock) -> None:
        self._text = text
        self._clock = clock
        self._tokens = tokens_of(text)
        self._at = 0
        self._terms = 0
        self._depth = 0

    def parse(self) -> Condition:
        if self._next().kind == "end":
            return EVERYTHING
        found = self._either()
        if self._next().kind == ")":
            self._wrong(self._next(), "This parenthesis has no opening one. To search for it, put it in quotes.", " ")
        return found

    def _either(self) -> Condition:
        """group ("OR" group)*"""
        groups = [self._group()]
        while self._next().kind == "OR":
            self._joint()
            groups.append(self._group())
        groups = list(dict.fromkeys(groups))
        return groups[0] if len(groups) == 1 else Or(tuple(groups))

    def _group(self) -> Condition:
        """part (["AND"] part)*; the values of a repeated qualifier are joined first."""
        found: dict[object, list[Condition]] = {}
        bounds: list[Token] = []
        if self._next().kind in ("AND", "OR"):
            self._joint(alone=True)
        while self._next().kind not in ("OR", ")", "]", "end"):
            is_joined = self._next().kind == "AND"
            if is_joined:
                self._joint()
            first = self._next()
            condition = self._part()
            if first.kind in ("qualifier", "path") and not (is_joined and not first.name_end):
                found.setdefault((first.kind, first.name, first.operator[:1]), []).append(condition)
            else:
                found[condition] = [condition]
            if first.name in ("after", "before"):
                bounds.append(first)
        parts = [part for each in found.values() if (part := any_of(each)) != EVERYTHING]
        self._check_period(parts, bounds)
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _joint(self, *, alone: bool = False) -> None:
        """Consume the AND or OR between two parts."""
        word = self._take()
        if alone or self._next().kind in _ENDS:
            instead = "" if self._text.strip() != word.text else quoted(word.text)
            self._wrong(
                word,
                f"`{word.text}` needs something on both sides. To search for the word itself, put it in quotes.",
                instead,
            )

    def _part(self) -> Condition:
        token = self._take()
        if token.kind in ("-", "NOT"):
            if self._next().kind in ("-", "NOT", *_ENDS):
                sign = token.text or "-"
                self._wrong(token, f"`{sign}` excludes what follows it, but nothing follows.", quoted(sign) + " ")
            excluded = self._part()
            if excluded == EVERYTHING:
                self._wrong(token, "This excludes every event.", "")
            return Not(excluded)
        if token.kind == "(":
            return self._parenthesis(token)
        return self._element(token) if token.kind == "[" else self._term(token)

    def _element(self, token: Token) -> Condition:
        """The conditions in brackets, which one element of a list fulfils."""
        if self._next().kind in ("]", "end"):
            detail = f"Write the conditions on one element in the brackets, as in `{token.name}[type:user id:7]`."
            mistake(self._text, token.end, token.end, detail, "type:user" + "]" * (self._next().kind == "end"))
        found = self._either()
        if self._next().kind != "]":
            detail = "This bracket is not closed. Add `]` where the conditions on one element end."
            mistake(self._text + "]", token.start, token.start, detail, "")
        self._take()
        return InElement(token.name, found)

    def _parenthesis(self, token: Token) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            self._wrong(token, f"Parentheses can be nested at most {DEEPEST} deep.", "")
        if self._next().kind == ")":
            detail = "The parentheses are empty. To search for them, put them in quotes."
            mistake(self._text, token.start, self._next().end, detail, '"()"')
        if self._next().kind == "end":
            self._wrong(token, "Nothing follows this parenthesis. To search for it, put it in quotes.", '"("')
        found = self._either()
        if self._next().kind != ")":
            detail = "This parenthesis is not closed. Add `)` where the group ends."
            mistake(self._text + ")", token.start, token.start, detail, "")
        self._take()
        self._depth -= 1
        return found

    def _term(self, token: Token) -> Condition:
        self._terms += 1
        if self._terms > MOST_TERMS:
            detail = f"A search can have at most {MOST_TERMS} words and qualifiers."
            mistake(self._text, token.start, len(self._text), detail, "")
        return word_condition(token) if token.kind == "word" else self._valued(token)

    def _valued(self, token: Token) -> Condition:
        name, value = token.name, token.text
        try:
            if name == "action" and token.kind == "qualifier" and "." not in value and "*" not in value:
                raise BadValue(
                    f"An action is `noun.verb`, so `{value[:60]}` matches none. "
                    f"To match the beginning, write `action:{value[:60]}*`.",
                    value + "*",
                )
            if token.kind == "path":
                return path_condition(token, self._clock)
            return qualifier_condition(token, self._clock)
        except BadValue as problem:
            if token.operator in COMPARISONS and problem.suggestion in ("", value):  # the text itself, for a value
                written = f"{self._text[token.start : token.name_end]}:" if token.name_end else ""
                instead = written + quoted(f"{token.operator}{value}")
                mistake(self._text, token.start, token.end, problem.detail, instead)
            mistake(self._text, token.value_at, token.end, problem.detail, quoted_pattern(problem.suggestion))

    def _check_period(self, parts: list[Condition], bounds: list[Token]) -> None:
        """Refuse an `after:` and a `before:` with no time between them: that matches nothing, which nobody wants."""
        periods = [part for part in parts if isinstance(part, Between) and None in (part.start, part.end)]
        starts = [period.start for period in periods if period.start is not None]
        ends = [period.end for period in periods if period.end is not None]
        if starts and ends and max(starts) >= min(ends):
            self._wrong(
                bounds[-1],
                "No time is between this `after:` (inclusive) and `before:` (exclusive). "
                "For one day, write `on:2024-01-15`.",
                "",
            )

    def _wrong(self, token: Token, detail: str, instead: str) -> NoReturn:
        mistake(self._text, token.start, token.end, detail, instead)

    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]
