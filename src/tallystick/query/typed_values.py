"""Numbers and times among the values of details, as both evaluators read them; all values are texts there."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from tallystick.query.case_folding import fold
from tallystick.query.conditions import EqualTo, NumberWithin, TimeWithin, ValueTest

# Both are patterns of the engine too, which compares folded values: sign, digits, digits behind the point, exponent;
NUMBER = r"^([+-]?)([0-9]+)(?:[.]([0-9]+))?(?:e[+]?(-?[0-9]{1,4}))?$"
# year, month, day, hour, minute, second, fraction to the microsecond, sign, hours and minutes of the offset.
TIME = (
    r"^([1-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"(?:[t ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]{1,6})[0-9]*)?)?"
    r"(?:z| ?([+-])([01][0-9]|2[0-3]):?([0-5][0-9]))?)?$"
)
DAYS_TO_1970 = 719_468  # from the first of March of the year 0
_NUMBER, _TIME = re.compile(NUMBER), re.compile(TIME)


class Magnitude(NamedTuple):
    """The size of a number other than zero: 0.`digits` · 10^`exponent`; such pairs are in order as the numbers are."""

    exponent: int
    digits: str


def magnitude_of(number: str) -> Magnitude | None:
    """The magnitude of a decimal number; None of zero. Raises ValueError for any other text."""
    found = _NUMBER.match(fold(number))
    if found is None or number.endswith("\n"):
        raise ValueError("not a number")
    digits = found[2] + (found[3] or "")
    significant = digits.lstrip("0")
    if not significant:
        return None
    exponent = len(found[2]) + int(found[4] or 0) - (len(digits) - len(significant))
    return Magnitude(exponent, significant.rstrip("0"))


def is_number(text: str) -> bool:
    """Whether the text is a decimal number."""
    return _NUMBER.match(fold(text)) is not None and not text.endswith("\n")


def time_of(text: str) -> int | None:
    """The date or time that a folded text is, in microseconds since 1970 UTC; None for any other text."""
    found = _TIME.match(text)
    if found is None or text.endswith("\n"):
        return None
    year, month, day, hour, minute, second = (int(found[place] or 0) for place in range(1, 7))
    # The days of the calendar, counted from March on, so that the leap day is the last of a year.
    year -= month <= 2
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = year * 365 + year // 4 - year // 100 + year // 400 + of_year - DAYS_TO_1970
    offset = int(found[9] or 0) * 60 + int(found[10] or 0)
    minutes = hour * 60 + minute - (-offset if found[8] == "-" else offset)
    return ((days * 1440 + minutes) * 60 + second) * 1_000_000 + int((found[7] or "").ljust(6, "0"))


def passes(value: str, test: ValueTest) -> bool:
    """Whether a folded value passes the test."""
    match test:
        case EqualTo(text):
            return value == text or (is_number(text) and is_number(value) and _decimal(value) == _decimal(text))
        case NumberWithin(low, high, has_low, has_high):
            if not is_number(value):
                return False
            number = Decimal(value)
            is_above = low is None or number > _decimal(low) or (has_low and number == _decimal(low))
            return is_above and (high is None or number < _decimal(high) or (has_high and number == _decimal(high)))
        case TimeWithin(start, end):
            moment = time_of(value)
            return moment is not None and (start is None or start <= moment) and (end is None or moment < end)


@lru_cache(maxsize=1_024)
def _decimal(number: str) -> Decimal:
    return Decimal(number)
