"""Rules of many words: another organization's alert does not wait for them, and its recording neither."""

import random

import pytest

from tests.fixtures.sizes import size
from tests.load.attack import SEED, Siege

RULES = size(30, 180)
EVENTS = size(2_000, 31_000)
AT_ONCE = 4
WORDS = 90


@pytest.mark.full_size
def test_rules_of_many_words_do_not_hold_up_another_organization(siege: Siege):
    dice = random.Random(SEED)
    with siege.server.client(siege.mallory) as client:
        for number in range(RULES):
            words = " OR ".join(f"{dice.choice('abcdefgh')}{dice.randrange(1_000_000)}" for _ in range(WORDS))
            client.post("/v1/alert-rules", json={"name": f"Rule {number}", "query": words}).raise_for_status()
    siege.record_events(EVENTS, description="word number {n}", actor={"email": "person{n}@mallory.test"})

    def attack(client, _number):
        events = [{"action": "project.updated", "description": f"word number {one}"} for one in range(500)]
        return client.post("/v1/audit-logs", json={"events": events})

    siege.withstand(attack, at_once=AT_ONCE)
