"""Sets of indexes as text."""

from hypothesis import given
from hypothesis import strategies as st

from tallystick.retention.indexes import fitting, read, written

INDEXES = st.lists(st.integers(0, 10**9) | st.integers(0, 50), min_size=1, max_size=200)


@given(INDEXES)
def test_what_was_written_is_read_back(indexes: list[int]) -> None:
    assert read(written(indexes)) == sorted(set(indexes))


@given(INDEXES, st.integers(1, 400))
def test_what_fits_is_the_lowest_part_and_never_empty(indexes: list[int], most: int) -> None:
    taken = fitting(indexes, most)
    assert taken
    assert taken == sorted(set(indexes))[: len(taken)]
    assert len(written(taken)) <= most or len(written(taken).split(",")) == 1


def test_neighbours_are_joined() -> None:
    assert written([7, 0, 1, 2, 9, 8]) == "0-2,7-9"
