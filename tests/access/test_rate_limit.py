"""How many requests a key may make."""

import pytest

from tallystick.access.rate_limit import RateLimit
from tallystick.errors import TooMany


class Seconds:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def taken(limit, who, most):
    for number in range(most):
        try:
            limit.take(who)
        except TooMany:
            return number
    return most


def test_a_burst_of_twice_the_rate_is_allowed():
    assert taken(RateLimit(5, seconds=Seconds()), "key", 100) == 10


def test_after_the_burst_the_rate_holds():
    seconds = Seconds()
    limit = RateLimit(5, seconds=seconds)
    taken(limit, "key", 100)
    seconds.now += 2
    assert taken(limit, "key", 100) == 10
    seconds.now += 0.7
    assert taken(limit, "key", 100) == 3


def test_waiting_longer_gives_no_more_than_the_burst():
    seconds = Seconds()
    limit = RateLimit(5, 7, seconds=seconds)
    taken(limit, "key", 100)
    seconds.now += 3600
    assert taken(limit, "key", 100) == 7


def test_the_refusal_says_how_long_to_wait():
    seconds = Seconds()
    limit = RateLimit(0.25, 1, seconds=seconds)
    limit.take("key")
    with pytest.raises(TooMany) as refusal:
        limit.take("key")
    assert (refusal.value.code, refusal.value.retry_after) == ("rate_limited", 4)
    seconds.now += refusal.value.retry_after
    limit.take("key")


def test_one_key_does_not_use_up_anothers_share():
    limit = RateLimit(1, seconds=Seconds())
    taken(limit, "alice", 100)
    assert taken(limit, "bob", 100) == 2


def test_zero_is_no_limit():
    assert taken(RateLimit(0), "key", 10_000) == 10_000


def test_idle_keys_are_forgotten_rather_than_kept_forever():
    seconds = Seconds()
    limit = RateLimit(5, seconds=seconds)
    for number in range(30_000):
        seconds.now += 0.01
        limit.take(number)
    assert len(limit._buckets) <= 10_001
