"""The latest batches in memory: whole, without gaps, of bounded size."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tallystick.journal.batches import Batch
from tallystick.journal.recent import Recent

ONE, TWO = UUID(int=1), UUID(int=2)


def batch(first: int, count: int, org_id: UUID = ONE) -> Batch:
    return Batch(org_id, first, ["a record"] * count)  # type: ignore[list-item]


def test_reading_begins_with_the_batch_that_holds_the_index():
    recent = Recent()
    for first in (10, 13, 16):
        recent.put(batch(first, 3), 1)
    assert [one.first for one in recent.read(ONE, 14, most=100)] == [13, 16]
    assert [one.first for one in recent.read(ONE, 10, most=4)] == [10, 13]
    assert recent.read(ONE, 9, most=100) == [], "what came before is not here"
    assert recent.read(ONE, 19, most=100) == []
    assert recent.read(TWO, 10, most=100) == []


def test_what_another_process_committed_between_ends_it():
    recent = Recent()
    recent.put(batch(0, 3), 1)
    recent.put(batch(5, 3), 1)
    assert [one.first for one in recent.read(ONE, 0, most=100)] == [0]
    assert recent.read(ONE, 3, most=100) == []
    assert [one.first for one in recent.read(ONE, 6, most=100)] == [5]


def test_what_is_forgotten_makes_room():
    recent = Recent(most_bytes=10)
    recent.put(batch(0, 1), 6)
    recent.forget(ONE)
    recent.forget(ONE)
    recent.put(batch(0, 1, TWO), 6)
    recent.put(batch(1, 1), 4)
    assert recent.read(ONE, 0, most=1) == []
    assert recent.read(TWO, 0, most=1)
    assert recent.read(ONE, 1, most=1)


def test_a_batch_larger_than_all_the_room_is_not_kept():
    recent = Recent(most_bytes=10)
    recent.put(batch(0, 1), 11)
    assert recent.read(ONE, 0, most=1) == []
    recent.put(batch(1, 1), 10)
    assert recent.read(ONE, 1, most=1)


@given(st.lists(st.tuples(st.sampled_from([ONE, TWO]), st.integers(1, 5), st.integers(1, 40)), max_size=40))
def test_what_is_kept_is_the_newest_that_has_room(puts):
    recent, ends, every = Recent(most_bytes=100), {ONE: 0, TWO: 0}, []
    for org_id, count, size in puts:
        recent.put(batch(ends[org_id], count, org_id), size)
        every.append((org_id, ends[org_id], ends[org_id] + count, size))
        ends[org_id] += count
    room, kept = 100, []
    for org_id, first, end, size in reversed(every):
        room -= size
        if room < 0:
            break
        kept.append((org_id, first, end))
    for org_id, first, end, _ in every:
        found = recent.read(org_id, first, most=1)
        assert bool(found) == ((org_id, first, end) in kept)
