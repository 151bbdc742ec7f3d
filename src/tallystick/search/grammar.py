"""The search box: text to a condition, every mistake with its column.

any     = all ("OR" all)*
all     = term+                       a repeated qualifier means either of its values
term    = "-"? ( word | "phrase" | qualifier:value | path:value | "(" any ")" )
"""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import get_args
from zoneinfo import ZoneInfo

from tallystick.events.catalogue import Category
from tallystick.query.conditions import (
    EVERYTHING,
    And,
    AtPath,
    Between,
    Condition,
    Contains,
    Equals,
    Field,
    InNetwork,
    Not,
    Or,
)
from tallystick.query.event_ids import span as id_span
from tallystick.query.fold import fold
from tallystick.search.moments import is_date, moment, zone_named
from tallystick.search.tokens import QueryMistake, Token, tokens

MOST_TERMS = 100
DEEPEST = 20
STATUSES = ("success", "failed")
CATEGORIES: tuple[str, ...] = get_args(Category)

_FIELDS: dict[str, Field] = {
    "user": "user", "action": "action", "category": "category", "status": "status", "resource": "resource",
    "type": "resource_type", "id": "id", "session": "session", "request": "request",
}  # fmt: skip
_MEANT = {
    "failure": "failed", "fail": "failed", "error": "failed", "errors": "failed", "failing": "failed",
    "succeeded": "success", "successful": "success", "ok": "success", "passed": "success",
}  # fmt: skip


def parse(text: str, *, now: int, zone: str = "UTC") -> Condition:
    """What the text means; an empty one means everything. `zone` is that of bare dates. Raises QueryMistake."""
    del now  # nothing in the grammar is relative yet; callers give it so that something may be
    return _Parser(text, zone_named(zone)).parse()


def needles(condition: Condition) -> tuple[str, ...]:
    """The folded words that a page marks: those that are looked for, not those that are excluded."""
    match condition:
        case Contains(needle):
            return (needle,)
        case AtPath(_, wanted):
            return wanted
        case And(conditions) | Or(conditions):
            return tuple(dict.fromkeys(one for each in conditions for one in needles(each)))
        case _:
            return ()


def equals(name: str, value: str) -> Equals:
    """One value of a qualifier or filter; ValueError that says what is wrong with it."""
    folded = fold(value)
    if name == "status" and "*" not in folded and folded not in STATUSES:
        raise ValueError(f"a status is {' or '.join(STATUSES)}, not {value!r}")
    if name == "category" and "*" not in folded and folded not in CATEGORIES:
        raise ValueError(f"there is no category {value!r}; known are {', '.join(CATEGORIES)}")
    if name == "id" and id_span(folded) is None:
        raise ValueError(f"{value!r} is no event id; one is evt_ and 26 letters and digits")
    return Equals(_FIELDS[name], (folded,))


def network(value: str) -> InNetwork:
    """An address or a network in CIDR notation; ValueError that says what is wrong with it."""
    try:
        return InNetwork((ip_network(value.strip(), strict=False),))
    except ValueError:
        raise ValueError(f"{value!r} is neither an address nor a network; write 10.0.0.1 or 10.0.0.0/8") from None


class _Parser:
    def __init__(self, text: str, zone: ZoneInfo) -> None:
        self._text = text
        self._zone = zone
        self._tokens = list(tokens(text))
        self._at = 0
        terms = [one for one in self._tokens if one.kind in ("word", "qualifier")]
        if len(terms) > MOST_TERMS:
            raise QueryMistake(f"A search has at most {MOST_TERMS} words and filters.", terms[MOST_TERMS].column)

    def parse(self) -> Condition:
        if self._next.kind == "end":
            return EVERYTHING
        condition = self._any(0)
        if self._next.kind == "close":
            raise QueryMistake("This parenthesis closes none.", self._next.column, _without(self._text, self._next))
        return condition

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _any(self, depth: int) -> Condition:
        branches = [self._all(depth)]
        while self._next.kind == "or":
            self._at += 1
            branches.append(self._all(depth))
        return branches[0] if len(branches) == 1 else Or(tuple(branches))

    def _all(self, depth: int) -> Condition:
        terms: list[tuple[str, Condition]] = []
        while self._next.kind not in ("or", "close", "end"):
            terms.append(self._term(depth))
        if not terms:
            raise self._nothing_here()
        conditions = _joined(terms)
        return conditions[0] if len(conditions) == 1 else And(tuple(conditions))

    def _term(self, depth: int) -> tuple[str, Condition]:
        token = self._next
        self._at += 1
        if token.kind == "not":
            name, condition = self._term(depth + 1)
            return f"-{name}" if name else "", Not(condition)
        if token.kind == "open":
            return "", self._group(token, depth + 1)
        if token.kind == "word":
            return "", Contains(fold(token.text))
        return token.name, self._qualified(token)

    def _group(self, opened: Token, depth: int) -> Condition:
        if depth > DEEPEST:
            raise QueryMistake(f"Parentheses are nested more than {DEEPEST} deep.", opened.column)
        condition = self._any(depth)
        if self._next.kind != "close":
            raise QueryMistake("The parenthesis that opens here is not closed.", opened.column, self._text + ")")
        self._at += 1
        return condition

    def _qualified(self, token: Token) -> Condition:
        name, value = token.name, token.text
        try:
            if "." in name:
                return AtPath(fold(name), (fold(value),))
            if name == "ip":
                return network(value)
            if name in ("after", "before", "on"):
                return self._period(name, value)
            return equals(name, value)
        except ValueError as mistake:
            meant = _MEANT.get(fold(value)) if name == "status" else None
            suggestion = f"{name}:{meant}" if meant else None
            raise QueryMistake(f"{name}: {mistake}.", token.column, suggestion) from None

    def _period(self, name: str, value: str) -> Between:
        if name == "on":
            if not is_date(value):
                raise ValueError("write a day such as 2024-01-15")
            return Between(moment(value, self._zone), moment(value, self._zone, next_day=True))
        at = moment(value, self._zone)
        return Between(start=at) if name == "after" else Between(end=at)

    def _nothing_here(self) -> QueryMistake:
        token = self._next
        if token.kind == "or" or (self._at and self._tokens[self._at - 1].kind == "or"):
            place = token if token.kind == "or" else self._tokens[self._at - 1]
            return QueryMistake("OR stands between two things; here one is missing.", place.column, '"OR"')
        if token.kind == "close" and self._at and self._tokens[self._at - 1].kind == "open":
            return QueryMistake("The parentheses are empty.", token.column)
        if token.kind == "close":
            return QueryMistake("This parenthesis closes none.", token.column, _without(self._text, token))
        return QueryMistake("Something is missing here.", token.column)


def _joined(terms: Iterable[tuple[str, Condition]]) -> list[Condition]:
    """Conditions in order, the values of a repeated qualifier together: either of them is wanted, none if excluded."""
    found: dict[str, list[Condition]] = {}
    for number, (name, condition) in enumerate(terms):
        found.setdefault(fold(name) or f"{number}", []).append(condition)
    return [_either(name, conditions) for name, conditions in found.items()]


def _either(name: str, conditions: list[Condition]) -> Condition:
    if len(conditions) == 1:
        return conditions[0]
    if name.startswith("-"):
        return And(tuple(conditions))
    match conditions[0]:
        case Equals(field):
            return Equals(field, tuple(p for one in conditions if isinstance(one, Equals) for p in one.patterns))
        case AtPath(path):
            return AtPath(path, tuple(n for one in conditions if isinstance(one, AtPath) for n in one.needles))
        case InNetwork():
            return InNetwork(tuple(n for one in conditions if isinstance(one, InNetwork) for n in one.networks))
        case _:
            return Or(tuple(conditions))


def _without(text: str, token: Token) -> str:
    return text[: token.column - 1] + text[token.column :]
