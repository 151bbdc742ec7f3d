"""Sets of indexes as text."""

from hypothesis import given
from hypothesis import strategies as st

from tallystick.retention.index_set import format_indexes, parse_indexes, prefix_within

INDEXES = st.lists(st.integers(0, 10**9) | st.integers(0, 50), min_size=1, max_size=200)


@given(INDEXES)
def test_what_was_written_is_read_back(indexes: list[int]) -> None:
    assert parse_indexes(format_indexes(indexes)) == sorted(set(indexes))


@given(INDEXES, st.integers(1, 400))
def test_what_fits_is_the_lowest_part_and_never_empty(indexes: list[int], most: int) -> None:
    taken = prefix_within(indexes, most)
    assert taken
    assert taken == sorted(set(indexes))[: len(taken)]
    assert len(format_indexes(taken)) <= most or len(format_indexes(taken).split(",")) == 1


def test_neighbours_are_joined() -> None:
    assert format_indexes([7, 0, 1, 2, 9, 8]) == "0-2,7-9"
