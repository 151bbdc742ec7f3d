"""Which record took an index, compared with looking through all of them."""

from hypothesis import given
from hypothesis import strategies as st

from tallystick.verify.range_index import NEVER, RangeIndex
from tallystick.verify.report import IndexRanges

MOST = 40
PAIRS = st.lists(st.tuples(st.integers(0, MOST), st.integers(0, 6)), max_size=5)


def ranges(pairs):
    return IndexRanges((first, first + more) for first, more in pairs)


@given(st.lists(PAIRS, max_size=5))
def test_it_finds_one_that_took_the_index_wherever_there_is_one(several):
    takers = [ranges(pairs) for pairs in several]
    taken = RangeIndex((one, number) for number, one in enumerate(takers))
    for index in range(MOST + 10):
        found = taken.find(index)
        if found is None:
            assert not any(index in one for one in takers)
        else:
            assert index in takers[found]


@given(st.lists(PAIRS, max_size=5), st.integers(0, MOST + 10))
def test_the_next_is_the_first_that_any_took(several, index):
    takers = [ranges(pairs) for pairs in several]
    following = (at for at in range(index, MOST + 10) if any(at in one for one in takers))
    assert RangeIndex((one, None) for one in takers).next_from(index) == next(following, NEVER)


@given(st.lists(PAIRS, max_size=5), st.integers(0, MOST), st.integers(0, MOST))
def test_stretches_are_all_indexes_once_and_each_as_it_is_found_alone(several, first, length):
    taken = RangeIndex((ranges(pairs), number) for number, pairs in enumerate(several))
    stretches = list(taken.split(first, first + length))
    assert [at for start, last, _ in stretches for at in range(start, last + 1)] == [*range(first, first + length)]
    assert all(taken.find(at) == by for start, last, by in stretches for at in range(start, last + 1))
