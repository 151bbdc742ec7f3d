"""SQL of conditions on values in the details: at a path, compared, or in one element of a list.

Equivalent to `search.match_details`. Values are texts; numbers and times among them are compared exactly.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from tallystick.query.conditions import (
    And,
    AtPath,
    Condition,
    EqualTo,
    HasPath,
    InDetails,
    InElement,
    Not,
    NumberWithin,
    Or,
    TimeWithin,
    ValueAtPath,
    ValueTest,
)
from tallystick.query.typed_values import DAYS_TO_1970, NUMBER, TIME, is_number, magnitude_of
from tallystick.store.schema import FOLDED_VALUES, folded

MOST_LEVELS = 22  # objects and lists in each other: 20 at most, and the part around them
_CHUNKS = r'(?s)"(?:[^"\\]|\\.)*"|[^"]+'
_NUMERAL = r"-?[0-9][0-9.eE+-]*"


class Binder(Protocol):
    """Takes a text, and returns the SQL of a parameter with it."""

    def __call__(self, value: str, /) -> str: ...


def details_sql(condition: InDetails, bind: Binder) -> str:
    """The condition as an expression over the columns of the details."""
    if isinstance(condition, InElement):
        return _in_element(condition, bind)
    return _leaf(condition, bind, _in_columns)


def needles_of(condition: InDetails) -> tuple[str, ...]:
    """Texts of which every matching event has at least one in its details; none if there are no such texts."""
    match condition:
        case AtPath(_, needles):
            return needles
        case ValueAtPath(_, EqualTo(text)) if text and not is_number(text):
            return (text,)
        case InElement(_, inner):
            return next((found for one in _parts(inner) if (found := needles_of(one))), ())
        case _:
            return ()


def _parts(condition: Condition) -> Iterable[AtPath | HasPath | ValueAtPath]:
    """The conditions on single values that all matching elements fulfil."""
    if isinstance(condition, And):
        for one in condition.conditions:
            yield from _parts(one)
    elif isinstance(condition, AtPath | HasPath | ValueAtPath):
        yield condition


Exists = Callable[[str, str], str]
"""Takes a test on `at` and one on `value`, and returns the SQL that some value passes both; a test may be ""."""


def _in_columns(at_test: str, value_test: str) -> str:
    if not value_test:
        return f"arrayExists(at -> {at_test}, details_paths)"
    return f"arrayExists((at, value) -> {at_test} AND {value_test}, details_paths, {FOLDED_VALUES})"


def _leaf(condition: AtPath | HasPath | ValueAtPath, bind: Binder, exists: Exists, path: str | None = None) -> str:
    path, at = condition.path if path is None else path, folded("at")
    here = f"({at} = {bind(path)} OR startsWith({at}, {bind(path + '.')}))"
    match condition:
        case AtPath(_, needles):
            return exists(here, _any(f"position(value, {bind(needle)}) > 0" for needle in needles))
        case HasPath():
            return exists(here, "")
        case ValueAtPath(_, test):
            return exists(here, _test(test, bind))


def _test(test: ValueTest, bind: Binder) -> str:
    match test:
        case EqualTo(text):
            same = f"value = {bind(text)}"
            return f"({same} OR {_number(NumberWithin(text, text), bind)})" if is_number(text) else same
        case NumberWithin():
            return _number(test, bind)
        case TimeWithin(start, end):
            bounds = [f"moment >= {start}"] * (start is not None) + [f"moment < {end}"] * (end is not None)
            found = f"extractGroups(value, {bind(TIME)})"
            within = " AND ".join(["notEmpty(part)", *(one.replace("moment", _MOMENT) for one in bounds)])
            return f"arrayExists(part -> {within}, [{found}])"


def _number(within: NumberWithin, bind: Binder) -> str:
    """Exact at any length: a number is compared by its sign, its exponent and its digits."""
    tests = []
    if within.low is not None:
        tests.append(_beyond(within.low, within.has_low, "NOT is_negative", bind))
    if within.high is not None:
        tests.append(_beyond(_negated(within.high), within.has_high, "is_negative", bind))
    all_digits, digits = "concat(part[2], part[3])", "replaceRegexpOne(concat(part[2], part[3]), '^0+', '')"
    exponent = f"toInt64(length(part[2])) + toInt64OrZero(part[4]) - toInt64(length({all_digits}) - length({digits}))"
    named = f"(is_negative, size, digits) -> {' AND '.join(tests) or 'true'}"
    fields = f"[part[1] = '-'], [{exponent}], [replaceRegexpOne({digits}, '0+$', '')]"
    found = f"extractGroups(value, {bind(NUMBER)})"
    return f"arrayExists(part -> notEmpty(part) AND arrayExists({named}, {fields}), [{found}])"


def _beyond(bound: str, inclusive: bool, above_zero: str, bind: Binder) -> str:
    """That the number is above `bound`, or is the bound itself; `above_zero` says that it is above zero or zero."""
    magnitude = magnitude_of(bound)
    if magnitude is None:
        return f"({above_zero} OR digits = '')" if inclusive else f"({above_zero} AND digits != '')"
    size = f"(toInt64({magnitude.exponent}), {bind(magnitude.digits)})"
    if bound.startswith("-"):
        return f"({above_zero} OR digits = '' OR (size, digits) {'<=' if inclusive else '<'} {size})"
    return f"({above_zero} AND digits != '' AND (size, digits) {'>=' if inclusive else '>'} {size})"


def _negated(number: str) -> str:
    return number.removeprefix("-") if number.startswith("-") else "-" + number.removeprefix("+")


def _moment() -> str:
    """The microseconds since 1970 of the parts that TIME finds; as `typed_values.time_of`."""
    year, month, day, hour, minute, second = (f"toInt64OrZero(part[{place}])" for place in range(1, 7))
    year = f"({year} - ({month} <= 2))"
    of_year = f"intDiv(153 * (({month} + 9) % 12) + 2, 5) + {day} - 1"
    days = (
        f"({year} * 365 + intDiv({year}, 4) - intDiv({year}, 100) + intDiv({year}, 400) + {of_year} - {DAYS_TO_1970})"
    )
    offset = "(toInt64OrZero(part[9]) * 60 + toInt64OrZero(part[10]))"
    minutes = f"({hour} * 60 + {minute} - if(part[8] = '-', -{offset}, {offset}))"
    return (
        f"((({days} * 1440 + {minutes}) * 60 + {second}) * 1000000 + toInt64OrZero(rightPad(part[7], 6, '0')))"
    )  # fmt: skip


_MOMENT = _moment()
_ELEMENT = "[('', element.2)]"


def _in_element(condition: InElement, bind: Binder) -> str:
    """Cheap tests that the whole event has what an element must have stand before the one of each element."""
    some = [_leaf(one, bind, _in_columns, f"{condition.path}.{one.path}") for one in _parts(condition.condition)]
    some = some or [_leaf(HasPath(condition.path), bind, _in_columns)]
    elements = _levels(f"[('', {_marked('details')})]", lambda state: _towards(state, bind, f".{condition.path}"))
    leaves = f"arrayFilter(leaf -> leaf.2 != 'null', {_levels(_ELEMENT, _below)})"
    of_element = _element_test(condition.condition, bind)
    exact = f"arrayExists(element -> arrayExists(leaves -> notEmpty(leaves) AND {of_element}, [{leaves}]), {elements})"
    return f"({' AND '.join([*some, exact])})"


def _element_test(condition: Condition, bind: Binder) -> str:
    match condition:
        case Not(inner):
            return f"(NOT {_element_test(inner, bind)})"
        case And(conditions):
            return f"({' AND '.join(_element_test(one, bind) for one in conditions) or 'true'})"
        case Or(conditions):
            return _any(_element_test(one, bind) for one in conditions)
        case AtPath() | HasPath() | ValueAtPath():
            return _leaf(condition, bind, _among_leaves, f".{condition.path}")
        case _:
            raise TypeError(f"{type(condition).__name__} is no condition on an element.")


def _among_leaves(at_test: str, value_test: str) -> str:
    """An element's leaves are (path, marked JSON): a text or number has a mark as its first letter."""
    value = "if(startsWith(leaf.2, '\"'), substring(JSONExtractString(leaf.2), 2), leaf.2)"
    tests = [at_test]
    if value_test:
        tests.append(f"arrayExists(value -> {value_test}, [{folded(value)}])")
    return f"arrayExists(leaf -> arrayExists(at -> {' AND '.join(tests)}, [leaf.1]), leaves)"


def _marked(details: str) -> str:
    """JSON in which each text has a mark as its first letter, and each number is a text: no number loses digits."""
    numbers = f"replaceRegexpAll(chunk, '{_NUMERAL}', '\"#\\\\0\"')"
    marked = f"if(startsWith(chunk, '\"'), concat('\"$', substring(chunk, 2)), {numbers})"
    pattern = _CHUNKS.replace("\\", "\\\\")
    return f"arrayStringConcat(arrayMap(chunk -> {marked}, extractAll({details}, '{pattern}')))"


def _levels(start: str, step: Callable[[str], str]) -> str:
    """`start`, a list of (path, JSON), after so many steps that nothing changes any more."""
    one_level = f"(states, level) -> arrayFlatten(arrayMap(state -> {step('state')}, states))"
    return f"arrayFold({one_level}, range({MOST_LEVELS}), {start})"


def _children(state: str) -> str:
    key = folded("substring(pair.1, 2)")
    path = f"concat({state}.1, '.', {key})"
    return f"arrayMap(pair -> ({path}, pair.2), JSONExtractKeysAndValuesRaw({state}.2))"


def _below(state: str) -> str:
    """One level of an element towards its values."""
    items = f"arrayMap(one -> ({state}.1, one), JSONExtractArrayRaw({state}.2))"
    return f"multiIf(startsWith({state}.2, '{{'), {_children(state)}, startsWith({state}.2, '['), {items}, [{state}])"


def _towards(state: str, bind: Binder, path: str) -> str:
    """One level of the details towards the elements of the list at `path`; what leads elsewhere is dropped."""
    items = f"arrayMap(one -> ({state}.1, one), JSONExtractArrayRaw({state}.2))"
    leads = f"(child.1 = {bind(path)} OR startsWith({bind(path)}, concat(child.1, '.')))"
    children = f"arrayFilter(child -> {leads}, {_children(state)})"
    is_there = f"{state}.1 = {bind(path)}"
    return (
        f"multiIf(startsWith({state}.2, '['), {items}, {is_there}, [{state}], startsWith({state}.2, '{{'), {children}, "
        f"arrayResize([{state}], 0))"
    )


def _any(tests: Iterable[str]) -> str:
    found = list(tests)
    return f"({' OR '.join(found)})" if found else "false"
