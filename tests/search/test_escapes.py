"""Stars, quotes and backslashes in values: what is written for a value is read as that value alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.query.case_folding import fold
from tallystick.query.conditions import AtPath, Contains, Equals
from tallystick.query.values import fits, literal_pattern, pieces_of, unescaped
from tallystick.search.filters import query_from
from tallystick.search.grammar import parse
from tallystick.search.tokens import quoted, quoted_pattern
from tests.search.material import PIECES

BACKSLASH = "\\"
texts = st.lists(st.sampled_from((*PIECES, "*", '"', BACKSLASH, BACKSLASH * 2)), min_size=1, max_size=8).map("".join)


@pytest.mark.parametrize(
    ("pattern", "pieces"),
    [
        ("", ("",)),
        ("a*b", ("a", "b")),
        (r"a\*b", ("a*b",)),
        (r"a\\*b", ("a\\", "b")),
        (r"a\\\*b", (r"a\*b",)),
        (r"c:\dir\*\x", (r"c:\dir*\x",)),
        (r"\*\**", ("**", "")),
        ("**", ("", "", "")),
        (r"a\\", (r"a\\",)),
    ],
)
def test_a_star_behind_an_odd_number_of_backslashes_is_a_letter(pattern: str, pieces: tuple[str, ...]) -> None:
    assert pieces_of(pattern) == pieces


@given(texts, texts)
def test_the_pattern_of_a_value_fits_this_value_alone(value: str, other: str) -> None:
    assert pieces_of(literal_pattern(value)) == (value,)
    assert fits(other, pieces_of(literal_pattern(value))) == (other == value)
    assert unescaped(literal_pattern(value)) == value
    assert fold(literal_pattern(value)) == literal_pattern(fold(value))


@given(texts)
def test_a_written_value_is_read_as_itself_in_the_box_and_in_parameters(value: str) -> None:
    pattern = literal_pattern(value)
    meant = Equals("user", (fold(pattern),))
    assert parse(f"user:{quoted_pattern(pattern)}", now=0) == meant
    if not value.isspace():
        assert query_from({"user": [pattern]}, now=0).condition == meant


@given(texts)
def test_any_text_can_be_searched_as_a_phrase_and_at_a_path(text: str) -> None:
    assert parse(quoted(text), now=0) == Contains(fold(text))
    assert parse(f"metadata.a:{quoted(text)}", now=0) == AtPath("metadata.a", (fold(text),))


@pytest.mark.parametrize(
    ("search", "needle"),
    [
        (r'"a\\"', "a\\"),
        (r'"a\"b"', 'a"b'),
        (r'"a\\\"b"', r"a\"b"),
        (r'"\\server\share"', r"\\server\share"),
        (r'"2 \* 3"', "2 * 3"),
        ('"2 * 3"', "2 * 3"),
        (r"a\"b", 'a"b'),
        (r"dir\sub", r"dir\sub"),
    ],
)
def test_other_backslashes_are_themselves(search: str, needle: str) -> None:
    assert parse(search, now=0) == Contains(needle)


def test_a_long_run_of_backslashes_is_read_once() -> None:
    run = BACKSLASH * 30_000
    assert pieces_of(run + "*") == (run[:15_000], "")
    assert query_from({"user": [run]}, now=0).condition == Equals("user", (run,))
