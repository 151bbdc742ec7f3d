"""Values in the details, compared by SQL and in Python: exact numbers, times, and elements of lists."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallystick.events.details import walker_for
from tallystick.events.incoming import EventInput
from tallystick.events.record import Record
from tallystick.ids import encode
from tallystick.query.case_folding import fold
from tallystick.query.conditions import (
    And,
    AtPath,
    Condition,
    ContainsInOrder,
    EqualTo,
    HasIdentifier,
    HasPath,
    InElement,
    Not,
    NumberWithin,
    Or,
    Query,
    TimeWithin,
    ValueAtPath,
)
from tallystick.query.typed_values import magnitude_of, passes, time_of
from tallystick.search.match import compile_match
from tests.fixtures.sizes import size
from tests.search.material import IDS, PIECES, at, record, text
from tests.search.test_match_conditions import Judge, agree, judge

__all__ = ["judge"]
EXAMPLES = size(20, 500)
NUMBERS = (
    "0", "-0", "0.0", "1", "-1", "1.0", "01", "+1", "10", "9", "-9", "-10", "0.1", "0.10", "0.09", "-0.1", "1e3",
    "1000", "1E+3", "1e-3", "0.001",
    "123456789012345678901234567890", "123456789012345678901234567891", "1e30", "9" * 40,
    "-" + "9" * 40, "3.14159265358979323846264338327950288", "1.5", "2", "5", "3.0000000000000000000000000000001",
)  # fmt: skip
NO_NUMBERS = ("", "-", "1.", ".5", "1 ", "0x1", "NaN", "1e99999", "one", "1,5", "5GB", "١", "true", "1\n")
TIMES = (
    "2024-01-15", "2024-01-15T00:00:00Z", "2024-01-15T14:30:45.1234567Z", "2024-01-15 14:30", "2024-02-29t23:59:59z",
    "2024-03-01", "2023-02-30", "1999-12-31T23:59:59+14:00", "2000-01-01T00:00:00-0330", "9999-12-31", "1000-01-01",
)  # fmt: skip
NO_TIMES = ("2024-1-5", "2024-13-01", "15.01.2024", "2024-01-15T25:00Z", "0001-01-01", "2024-01-15T10", "20240115")
VALUES = (*NUMBERS, *NO_NUMBERS, *TIMES, *NO_TIMES)
KEYS = ("a", "A", "b", "a.b", "x y", "", "İ", "$", '"', "\\", "#")

json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 12), st.integers(-(10**30), 10**30), text,
        st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(VALUES), st.sampled_from(PIECES),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
details = st.dictionaries(st.sampled_from(KEYS), json_values, max_size=3)
number_tests = st.builds(
    NumberWithin,
    st.none() | st.sampled_from(NUMBERS).map(fold),
    st.none() | st.sampled_from(NUMBERS).map(fold),
    st.booleans(),
    st.booleans(),
)
moments = st.none() | st.sampled_from([found for one in TIMES if (found := time_of(fold(one))) is not None])
value_tests = st.one_of(
    number_tests, st.sampled_from(VALUES).map(fold).map(EqualTo), st.builds(TimeWithin, moments, moments)
)
paths = st.lists(st.sampled_from(KEYS), min_size=1, max_size=2).map(lambda keys: fold(".".join(keys)))
needles = st.lists(st.sampled_from((*VALUES, *PIECES)).filter(bool).map(fold), min_size=1, max_size=2).map(tuple)
atoms = st.one_of(
    st.builds(AtPath, paths, needles), st.builds(HasPath, paths), st.builds(ValueAtPath, paths, value_tests)
)
inner_conditions: st.SearchStrategy[Condition] = st.recursive(
    atoms,
    lambda inner: st.one_of(
        inner.map(Not), st.lists(inner, min_size=1, max_size=3).map(tuple).map(And),
        st.lists(inner, min_size=1, max_size=2).map(tuple).map(Or),
    ),
    max_leaves=4,
)  # fmt: skip


def with_details(metadata: dict[str, Any], **given: Any) -> Record:
    """A record with these details, as intake makes it."""
    event = EventInput("a.b", metadata=metadata)
    found: tuple[list[str], list[str], list[str]] = ([], [], [])
    walker_for(frozenset()).walk(event, found)
    details = msgspec.json.encode({"description": "x", "metadata": metadata})
    return record(details=details, paths=tuple(found[0]), values=tuple(found[1]), **given)


def _below_metadata(condition: Any) -> Condition:
    return InElement(f"metadata.{condition[0]}", condition[1])


def _rooted(condition: Any) -> Condition:
    match condition:
        case AtPath(where, wanted):
            return AtPath(f"metadata.{where}", wanted)
        case HasPath(where):
            return HasPath(f"metadata.{where}")
        case ValueAtPath(where, test):
            return ValueAtPath(f"metadata.{where}", test)
    raise AssertionError


conditions = st.one_of(atoms.map(_rooted), st.tuples(paths, inner_conditions).map(_below_metadata))


@pytest.mark.full_size
@given(
    st.lists(
        st.dictionaries(st.sampled_from(KEYS), json_values, max_size=3).map(with_details), min_size=4, max_size=12
    ),
    st.lists(conditions, min_size=8, max_size=16),
)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 20,
    phases=(Phase.explicit, Phase.generate),  # each step to a smaller example is a question of seconds
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_the_store_and_python_agree_on_values_and_elements(
    judge: Judge, rows: list[Record], asked: list[Condition]
) -> None:
    judge.hold(rows)
    agree(judge, rows, [Query(one) for one in asked])


def test_every_number_and_time_is_compared_alike(judge: Judge) -> None:
    rows = [with_details({"a": value}) for value in VALUES]
    judge.hold(rows)
    bounds = [(low, high) for low in NUMBERS[:20] for high in (None, *NUMBERS[20:23])]
    asked: list[Condition] = [
        ValueAtPath("metadata.a", NumberWithin(fold(low), high, has_low=number % 2 == 0))
        for number, (low, high) in enumerate(bounds)
    ]
    asked += [ValueAtPath("metadata.a", NumberWithin(None, fold(high), has_high=False)) for high in NUMBERS]
    asked += [ValueAtPath("metadata.a", EqualTo(fold(value))) for value in VALUES]
    for value in TIMES:
        moment = time_of(fold(value))
        asked += [
            ValueAtPath("metadata.a", TimeWithin(moment, None)),
            ValueAtPath("metadata.a", TimeWithin(None, moment)),
        ]
    for first in range(0, len(asked), 20):
        agree(judge, rows, [Query(one) for one in asked[first : first + 20]])


def test_conditions_on_one_element_do_not_meet_in_two(judge: Judge) -> None:
    lists = (
        [{"type": "User", "id": "00u1"}],
        [{"type": "User", "id": "00u2"}, {"type": "App", "id": "00u1"}],
        [[{"type": "User"}, {"id": "00u1"}]],
        {"type": "User", "id": "00u1"},
        [{"Type": "user", "ID": {"value": ["x", "00U1"]}}],
        [{"type": "User", "id": None}, "00u1", 5],
        [],
    )
    rows = [with_details({"target": value}) for value in lists]
    judge.hold(rows)
    wanted = InElement("metadata.target", And((AtPath("type", ("user",)), AtPath("id", ("00u1",)))))
    agree(judge, rows, [Query(wanted), Query(Not(wanted))])
    assert [compile_match(Query(wanted))(row) for row in rows] == [True, False, False, True, True, False, False]


def test_a_list_in_the_deepest_object_is_reached(judge: Judge) -> None:
    value: Any = [{"k": 1, "l": 2}]
    for _ in range(16):
        value = [value]
    rows = [with_details({"a": value}), with_details({"a": {"b": {"c": {"d": [{"k": "1"}, {"l": "2"}]}}}})]
    judge.hold(rows)
    both = And((ValueAtPath("k", EqualTo("1")), ValueAtPath("l", EqualTo("2"))))
    agree(judge, rows, [Query(InElement("metadata.a", both)), Query(InElement("metadata.a.b.c.d", both))])
    assert compile_match(Query(InElement("metadata.a", both)))(rows[0])


def test_pieces_of_a_word_stand_in_one_value_in_order(judge: Judge) -> None:
    rows = [
        record(description="vpc-eu-prod"),
        record(description="prod vpc"),
        record(description="vpc", actor_name="prod"),
        record(user_agent="VPC tool (prod)", source="x"),
        record(user_agent="vpc", source="prod"),
        with_details({"a": "100% vpc_prod"}),
    ]
    judge.hold(rows)
    asked = [("vpc", "prod"), ("v", "d"), ("vpc-", "prod"), ("%", "_"), ("vpc", "o", "d")]
    queries = [Query(ContainsInOrder(pieces)) for pieces in asked]
    agree(judge, rows, queries + [Query(Not(one.condition)) for one in queries])
    assert [compile_match(queries[0])(row) for row in rows] == [True, False, False, True, False, True]


def test_an_identifier_is_found_whole(judge: Judge) -> None:
    rows = [
        record(session_id="Ses_1"),
        record(agent_session_id="ses_1"),
        record(request_id="ses_1"),
        record(trace_id="ses_1"),
        record(external_id="SES_1"),
        record(external_id="ses_12", description="ses_1"),
        record(id=IDS[1]),
    ]
    judge.hold(rows)
    asked = [("ses_1",), ("ses",), ("ses_12", "x"), (_id_text(1),), ("evt_*",), ("*",)]
    agree(judge, rows, [Query(HasIdentifier(values)) for values in asked])
    assert [compile_match(Query(HasIdentifier(("ses_1",))))(row) for row in rows] == [True] * 5 + [False] * 2


def _id_text(place: int) -> str:
    return encode("evt", IDS[place])


@given(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
def test_magnitudes_are_in_the_order_of_the_numbers(one: str, other: str) -> None:
    first, second = abs(Decimal(one)), abs(Decimal(other))
    if first and second:
        found, compared = magnitude_of(one), magnitude_of(other)
        assert found is not None
        assert compared is not None
        assert (found < compared) == (first < second)
    else:
        assert (magnitude_of(one) is None) == (not first)


@pytest.mark.parametrize("value", [one for one in TIMES if one not in ("2023-02-30", "2024-01-15T14:30:45.1234567Z")])
def test_a_time_is_its_moment(value: str) -> None:
    text = value if len(value) > 10 else f"{value}T00:00:00"
    text = text.upper() if text[-1] in "zZ" or "+" in text or text[-5] == "-" else f"{text}Z"
    assert time_of(fold(value)) == at(text)


@pytest.mark.parametrize("value", [*NO_NUMBERS, *TIMES, *NO_TIMES])
def test_what_is_no_number_lies_within_none(value: str) -> None:
    if value != "20240115":
        assert not passes(fold(value), NumberWithin(None, None))


def test_a_fraction_is_cut_to_microseconds() -> None:
    assert time_of("2024-01-15t14:30:45.1234567z") == at("2024-01-15T14:30:45.123456Z")
