"""The pool of requests that wait to be recorded is shared by organizations."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tallystick.errors import Unavailable
from tallystick.ingest.pool import EVENTS_PER_TICK, Pool
from tallystick.ingest.sequencer import LEAST_EVENTS_PER_TICK, TICK_SECONDS, events_of_next_tick
from tallystick.ingest.submission import Submission

ALICE, BOB, CHARLIE = (UUID(int=number) for number in (1, 2, 3))


def submission(org_id: UUID, events: int, size: int = 10) -> Submission:
    prepared: Any = [SimpleNamespace(frame=bytes(size)) for _ in range(events)]
    nobody: Any = None
    return Submission(org_id, prepared, nobody, nobody)


def fill(pool: Pool, org_id: UUID, one: Submission) -> int:
    """How many equal requests of an organization fit."""
    for number in range(1000):
        try:
            pool.join(one)
        except Unavailable:
            return number
    raise AssertionError("the pool has no end")


@pytest.mark.parametrize("one", [submission(ALICE, 100), submission(ALICE, 1, 1000)], ids=["events", "bytes"])
def test_an_organization_that_sends_without_end_leaves_room_to_another(one: Submission):
    pool = Pool(most_events=1000, most_bytes=10_000)
    assert fill(pool, ALICE, one) == 5
    pool.join(submission(BOB, 100))
    pool.join(submission(CHARLIE, 100))


def test_a_request_that_is_larger_than_a_share_is_recorded_when_nothing_else_waits():
    pool = Pool(most_events=100, most_bytes=100)
    one = submission(ALICE, 200, 200)
    pool.join(one)
    assert pool.take(0)[0] == [one]
    pool.join(one)


def test_a_full_pool_refuses_until_something_is_taken():
    pool = Pool(most_events=100)
    pool.join(submission(ALICE, 100))
    with pytest.raises(Unavailable) as refusal:
        pool.join(submission(BOB, 1))
    assert refusal.value.code == "overloaded"
    pool.take(0)
    pool.join(submission(BOB, 1))


def test_organizations_take_turns_and_each_keeps_its_order():
    pool = Pool()
    alice, bob = [submission(ALICE, 1) for _ in range(5)], [submission(BOB, 1) for _ in range(2)]
    for one in (*alice, *bob):
        pool.join(one)
    taken = pool.take(0)[0]
    assert taken == [alice[0], bob[0], alice[1], bob[1], *alice[2:]]
    assert not pool.is_waiting()


def test_a_request_is_among_the_next_to_be_committed_whatever_another_organization_sent():
    pool = Pool()
    fill(pool, ALICE, submission(ALICE, EVENTS_PER_TICK // 4))
    mine = submission(BOB, 1)
    pool.join(mine)
    assert mine in pool.take(0)[0]


def test_a_disk_that_was_slow_once_bounds_no_later_commit_of_requests_just_below_the_bound():
    most = events_of_next_tick(LEAST_EVENTS_PER_TICK, LEAST_EVENTS_PER_TICK, 10 * TICK_SECONDS)
    assert most == LEAST_EVENTS_PER_TICK
    for _ in range(20):
        most = events_of_next_tick(most, LEAST_EVENTS_PER_TICK - 1, TICK_SECONDS / 10)
    assert most > 4 * LEAST_EVENTS_PER_TICK


def test_a_small_commit_that_waited_for_the_disk_bounds_no_later_one():
    assert events_of_next_tick(EVENTS_PER_TICK, 1, 10 * TICK_SECONDS) == EVENTS_PER_TICK
