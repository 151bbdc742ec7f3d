"""Words, values at paths and comparisons of a search, as conditions."""

import re

from tallystick.events.catalogue import SEVERITIES
from tallystick.query.case_folding import fold
from tallystick.query.conditions import (
    EVERYTHING,
    AtPath,
    Between,
    Condition,
    Contains,
    ContainsInOrder,
    Equals,
    EqualTo,
    HasPath,
    NumberWithin,
    TimeWithin,
    ValueAtPath,
)
from tallystick.query.typed_values import is_number
from tallystick.query.values import pieces_of, unescaped
from tallystick.search.dates import Clock, DateOrTime
from tallystick.search.qualifiers import BadValue, condition_of
from tallystick.search.term_heads import COMPARISONS
from tallystick.search.tokens import Token

_OPEN = ("", "*")
_LIKE_A_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|today|yesterday|now.*", re.IGNORECASE)


def word_condition(token: Token) -> Condition:
    """A word or phrase; a star in a word without quotes stands for any text, within one value."""
    if token.is_quoted:
        return Contains(fold(unescaped(token.text)))
    pieces = tuple(fold(piece) for piece in pieces_of(token.text) if piece)
    if not pieces:
        return EVERYTHING
    return Contains(pieces[0]) if len(pieces) == 1 else ContainsInOrder(pieces)


def path_condition(token: Token, clock: Clock) -> Condition:
    """A value at a path: contained, equal, compared, within a range, or any. Raises BadValue."""
    text = unescaped(token.text)
    if token.operator == "=":
        return ValueAtPath(token.name, EqualTo(fold(text)))
    if token.operator in COMPARISONS:
        return ValueAtPath(token.name, _comparison(token.operator, text, clock))
    if token.is_quoted:
        return AtPath(token.name, (fold(text),))
    if not token.text.strip("*"):
        return HasPath(token.name)
    first, dots, last = text.partition("..")
    if dots and (token.ends or ".." not in last):
        within = _range(first, last, token.ends, clock)
        if within is not None:
            return ValueAtPath(token.name, within)
        if token.ends:
            raise BadValue("A range has numbers or times on both sides, as in `3..5`.", "3..5")
    return AtPath(token.name, (fold(text),))


def qualifier_condition(token: Token, clock: Clock) -> Condition:
    """A value of a qualifier: equal with wildcards, or compared if it is a time or a severity. Raises BadValue."""
    name, text = token.name, token.text
    is_range = not token.is_quoted and ".." in text and (bool(token.ends) or name in ("on", "severity"))
    if token.operator not in COMPARISONS and not is_range:
        return condition_of(name, text, clock)
    if name == "severity":
        return _severities(token)
    if name not in ("on", "after", "before"):
        detail = (
            f"`{name}:` cannot be compared. `>`, `<` and ranges are for times, `severity:` and paths in the details."
        )
        raise BadValue(detail, text)
    if is_range:
        first, _, last = text.partition("..")
        within = _times(first, last, token.ends, clock)
    else:
        within = _compared_time(token.operator, text, clock)
    if within is None:
        return condition_of(name, text, clock)  # says why it is no time
    return Between(within.start, within.end)


def _severities(token: Token) -> Condition:
    first, dots, last = token.text.partition("..")
    low, high = (first, last) if dots else (token.text, token.text)
    known: list[str] = list(SEVERITIES)
    for one in (low, high):
        if one not in _OPEN and fold(one) not in known:
            raise BadValue(f"Unknown severity `{one[:60]}`. Use one of {', '.join(known)}.", "high")
    places = [known.index(fold(low)) if low not in _OPEN else 0]
    places.append(known.index(fold(high)) if high not in _OPEN else len(known) - 1)
    chosen = {
        ">": known[places[0] + 1 :], ">=": known[places[0] :], "<": known[: places[0]], "<=": known[: places[0] + 1],
    }.get(token.operator, known[places[0] : places[1] + 1])  # fmt: skip
    return Equals("severity", tuple(chosen))


def _comparison(operator: str, text: str, clock: Clock) -> NumberWithin | TimeWithin:
    if is_number(text):
        inclusive = operator.endswith("=")
        number = fold(text)
        if operator.startswith(">"):
            return NumberWithin(number, None, has_low=inclusive)
        return NumberWithin(None, number, has_high=inclusive)
    within = _compared_time(operator, text, clock)
    if within is None:
        raise BadValue(f"`{operator}` compares numbers and times, as in `{operator}3` or `{operator}2024-01-31`.", "")
    return within


def _compared_time(operator: str, text: str, clock: Clock) -> TimeWithin | None:
    moment = _moment(text, clock)
    if moment is None:
        return None
    after = moment.after if moment.is_day else moment.after + 1
    return {
        ">": TimeWithin(after, None),
        ">=": TimeWithin(moment.first, None),
        "<": TimeWithin(None, moment.before),
        "<=": TimeWithin(None, after),
    }[operator]


def _range(first: str, last: str, ends: str, clock: Clock) -> NumberWithin | TimeWithin | None:
    if first in _OPEN and last in _OPEN:
        return None
    if all(one in _OPEN or is_number(one) for one in (first, last)):
        low, high = (None if one in _OPEN else fold(one) for one in (first, last))
        return NumberWithin(low, high, has_low="{" not in ends, has_high="}" not in ends)
    return _times(first, last, ends, clock)


def _times(first: str, last: str, ends: str, clock: Clock) -> TimeWithin | None:
    begin, end = (None if one in _OPEN else _moment(one, clock) for one in (first, last))
    if (begin is None and first not in _OPEN) or (end is None and last not in _OPEN):
        return None
    start = until = None
    if begin is not None:
        start = begin.after + (not begin.is_day) if "{" in ends else begin.first
    if end is not None:
        until = end.before if "}" in ends else end.after + (not end.is_day)
    return TimeWithin(start, until)


def _moment(text: str, clock: Clock) -> DateOrTime | None:
    if not _LIKE_A_TIME.fullmatch(text):
        return None
    try:
        return clock.read(text)
    except ValueError:
        return None
