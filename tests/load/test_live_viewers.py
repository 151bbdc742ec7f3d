"""Live views with searches of many words, while the attacker records events that they find."""

import contextlib
import random
import threading
import time

import httpx
import pytest

from tests.fixtures.sizes import size
from tests.load.attack import SEED, Siege

AT_ONCE = size(20, 100)
WORDS = 90
SECONDS = size(2, 10)


@pytest.mark.full_size
def test_live_viewers_of_many_words_do_not_hold_up_another_organizations_recording(siege: Siege):
    dice = random.Random(SEED)

    recording = threading.Lock()

    def attack(client, _number):
        if recording.acquire(blocking=False):
            try:
                time.sleep(0.02)
                events = [{"action": "project.updated", "description": f"word number {one}"} for one in range(100)]
                return client.post("/v1/audit-logs", json={"events": events})
            finally:
                recording.release()
        words = " OR ".join(f"{dice.choice('abcdefgh')}{dice.randrange(1_000_000)}" for _ in range(WORDS))
        with client.stream("GET", "/v1/audit-logs/live", params={"q": f"{words} OR number"}, timeout=SECONDS) as view:
            if view.is_success:
                _read(view)
            else:
                view.read()
        return view

    siege.withstand(attack, at_once=AT_ONCE)


def _read(view: httpx.Response) -> None:
    until = time.monotonic() + SECONDS
    with contextlib.suppress(httpx.ReadTimeout):  # nothing more is recorded
        for _ in view.iter_raw():
            if time.monotonic() > until:
                break
