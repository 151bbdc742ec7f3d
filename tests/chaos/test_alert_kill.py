"""A power cut at any moment of judging and sending: every event that fires is told of once, under one id."""

import json
import random
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.destinations.receiver import Receiver, open_receiver
from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until

KILLS = size(2, 4)
FIRED = 10  # events that fire between two kills, at least


class Sender(threading.Thread):
    """Records events that fire and others, until it is stopped; goes on when the server is back."""

    def __init__(self, server: Server, key: str) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._key = key
        self.stopping = threading.Event()
        self.answered: list[str] = []

    def run(self) -> None:
        dice = random.Random(11)
        while not self.stopping.is_set():
            with self._server.client(self._key) as client:
                try:
                    self._record(client, dice)
                except httpx.TransportError:
                    time.sleep(0.1)

    def _record(self, client: httpx.Client, dice: random.Random) -> None:
        while not self.stopping.wait(0.1):
            actions = [dice.choice(("thing.broken", "thing.done")) for _ in range(dice.randint(1, 5))]
            answer = client.post("/v1/audit-logs", json={"events": [{"action": action} for action in actions]})
            if answer.status_code == 201:
                made = zip(actions, answer.json()["events"], strict=True)
                self.answered += [one["id"] for action, one in made if action == "thing.broken"]


def broken_in_the_log(client: httpx.Client) -> list[str]:
    asked = {"q": "action:thing.broken", "limit": "1000", "count": "none"}
    found = client.get("/v1/audit-logs", params=asked).json()
    assert found["next_cursor"] is None
    return [one["id"] for one in found["data"]]


def ids_received(receiver: Receiver) -> dict[str, list[str]]:
    """The events of what arrived, by the id under which it did."""
    got: dict[str, list[str]] = {}
    for headers, body in list(receiver.requests):
        events = json.loads(body)["data"]["event_ids"]
        assert got.setdefault(headers["webhook-id"], events) == events
    return got


@pytest.mark.full_size
def test_every_firing_is_told_of_once_however_often_the_server_is_killed(start_server: Starter, tmp_path: Path) -> None:
    server = start_server(home=tmp_path, TALLYSTICK_ALLOWED_TARGETS="127.0.0.0/8")
    server.organization("acme")
    key = server.key("acme", "events:read", "events:write", "alerts")
    dice = random.Random(5)
    with open_receiver() as receiver, server.client(key) as client:
        receiver.wait = 0.02
        place = {"kind": "webhook", "settings": {"url": receiver.url}}
        destination = client.post("/v1/destinations", json=place).json()["id"]
        server.approve("acme", destination)
        wanted = {"name": "Broken", "query": "action:thing.broken", "cooldown_seconds": 0,
                  "destinations": [destination]}  # fmt: skip
        rule = client.post("/v1/alert-rules", json=wanted).json()["id"]
        sender = Sender(server, key)
        sender.start()
        for _ in range(KILLS):
            enough = len(sender.answered) + FIRED
            time.sleep(dice.uniform(1.0, 3.0))
            wait_until(lambda enough=enough: len(sender.answered) >= enough)  # too few would not meet the kill
            server.kill()
            server.start()
        time.sleep(1)
        sender.stopping.set()
        sender.join()
        client.post("/v1/audit-logs?wait=searchable", json={"action": "thing.ended"})
        broken = broken_in_the_log(client)
        wait_until(lambda: len(ids_received(receiver)) >= len(broken), detail=lambda: len(ids_received(receiver)))
        time.sleep(1)  # what would come twice comes now
        alerts = client.get("/v1/alerts", params={"rule": rule, "limit": "1000"}).json()["data"]
    server.stop()

    assert set(sender.answered) <= set(broken)
    assert len(broken) >= FIRED * KILLS
    told = Counter(event for one in ids_received(receiver).values() for event in one)
    assert told == Counter(broken), "each once under one id"
    assert len(alerts) == len(broken)
    again = len(receiver.requests) - len(ids_received(receiver))
    assert again <= KILLS, "only what was under way at a kill may arrive twice"
