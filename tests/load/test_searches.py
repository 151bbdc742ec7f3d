"""Searches of many words, as many at once as the attacker can send."""

import random

import pytest

from tests.fixtures.sizes import size
from tests.load.attack import SEED, Siege

EVENTS = size(2_000, 60_000)
AT_ONCE = size(24, 80)
WORDS = 90


@pytest.mark.full_size
def test_searches_of_many_excluded_words_do_not_hold_up_another_organizations_recording(siege: Siege):
    siege.record_events(EVENTS, description="word number {n}", actor={"email": "person{n}@mallory.test"})
    dice = random.Random(SEED)

    def search(client, _number):
        words = " ".join(f"-x{dice.randrange(1_000_000)}" for _ in range(WORDS))
        return client.get("/v1/audit-logs", params={"q": words, "limit": 1000})

    siege.withstand(search, at_once=AT_ONCE)
