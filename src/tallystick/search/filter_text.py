"""The text of a mandatory filter: which part of the search language it may use, and why.

It may use qualifiers and values at a path that are equal. Whoever causes an event writes its free texts: with a bare
word, a stranger could move events into the filter, or out of it.
"""

from tallystick.clock import DAY_US
from tallystick.errors import BadRequest
from tallystick.query.conditions import (
    EVERYTHING,
    And,
    Between,
    Condition,
    Equals,
    EqualTo,
    Field,
    InNetwork,
    Not,
    Or,
    ValueAtPath,
)
from tallystick.query.mandatory_filter import MandatoryFilter
from tallystick.query.values import pieces_of
from tallystick.search.grammar import parse

LONGEST = 1_000
_LATER_US = 400 * DAY_US
# Free text, from whoever caused the event.
_STRANGERS: dict[Field, str] = {"status_reason": "reason", "original_action": "original", "user_agent": "user_agent"}


def parse_filter(text: str, *, now: int) -> MandatoryFilter | None:
    """The mandatory filter of this text; None for a blank one.

    Raises QueryMistake for what is no query; BadRequest (`bad_filter`, field `filter`) for words, contained or compared
    values at a path, free texts, a `*` elsewhere than at the end of a value, and times that are relative to today.
    """
    text = text.strip()
    if not text:
        return None
    if len(text) > LONGEST:
        raise _invalid(f"A filter can have at most {LONGEST:,} characters.")
    condition = parse(text, now=now)
    if condition == EVERYTHING:
        raise _invalid("This filter excludes nothing. Leave it empty to remove it.")
    _check(condition)
    if condition != parse(text, now=now + _LATER_US):
        raise _invalid("A filter cannot move with the calendar. Write whole dates, such as after:2026-01-01.")
    return MandatoryFilter(text, condition)


def _check(condition: Condition) -> None:
    match condition:
        case Equals(field, patterns):
            _check_patterns(field, patterns)
        case ValueAtPath(_, EqualTo(_)) | InNetwork() | Between():
            return
        case Not(inner):
            _check(inner)
        case And(conditions) | Or(conditions):
            for one in conditions:
                _check(one)
        case _:
            raise _invalid(
                "A filter takes qualifiers and equal values, such as category:deployments, resource:prj_88 or "
                "metadata.team:=platform. Words and parts of values can be written by strangers."
            )


def _check_patterns(field: Field, patterns: tuple[str, ...]) -> None:
    if field in _STRANGERS:
        raise _invalid(f"A filter cannot use {_STRANGERS[field]}: it is free text from whoever caused the event.")
    for pattern in patterns:
        pieces = pieces_of(pattern)
        if len(pieces) > 2 or (len(pieces) == 2 and (pieces[1] or not pieces[0])):
            # In the middle or in front, it would match names that people give themselves or their resources.
            raise _invalid("In a filter, * can only stand at the end of a value, as in action:deployment.*")


def _invalid(detail: str) -> BadRequest:
    return BadRequest(detail, code="bad_filter", field="filter")
