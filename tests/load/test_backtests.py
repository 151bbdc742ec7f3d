"""Back-tests of rules that match everything, and of many words, as many at once as the attacker can send."""

import random

import pytest

from tests.fixtures.sizes import size
from tests.load.attack import SEED, Siege

EVENTS = size(2_000, 60_000)
AT_ONCE = size(16, 60)
WORDS = 90


@pytest.mark.full_size
def test_back_tests_do_not_hold_up_another_organizations_recording_and_alerts(siege: Siege):
    siege.record_events(EVENTS, description="word number {n}", actor={"email": "person{n}@mallory.test"})
    dice = random.Random(SEED)

    def attack(client, number):
        words = " OR ".join(f"x{dice.randrange(1_000_000)}" for _ in range(WORDS))
        rule = {"query": words} if number % 2 else {"count": 2, "window_seconds": 3600, "group_by": "user"}
        return client.post("/v1/alert-rules/backtest", json={"name": "Rule"} | rule)

    siege.withstand(attack, at_once=AT_ONCE)
