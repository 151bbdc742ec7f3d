"""A server that has more to do than it can finish is stopped: it ends by itself, and goes on at the next start."""

import random
import threading
import time

import httpx
import pytest

from tallystick.cli.server_process import GRACE_SECONDS
from tests.fixtures.servers import Starter
from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until
from tests.load.attack import SEED, Siege

RULES = size(30, 180)
EVENTS = size(4_000, 31_000)
WORDS = 90
MARGIN_SECONDS = 10


@pytest.mark.full_size
def test_a_server_under_load_stops_within_its_grace_and_goes_on_at_the_next_start(start_server: Starter):
    server = start_server()
    siege = Siege(server, "alerts", "exports")
    dice = random.Random(SEED)
    with server.client(siege.mallory) as client:
        for number in range(RULES):
            words = " OR ".join(f"{dice.choice('abcdefgh')}{dice.randrange(1_000_000)}" for _ in range(WORDS))
            client.post("/v1/alert-rules", json={"name": f"Rule {number}", "query": words}).raise_for_status()
        siege.record_events(EVENTS, description="word number {n}", actor={"email": "person{n}@mallory.test"})
        exports = [
            client.post("/v1/exports", json={"format": form}).raise_for_status().json()["id"]
            for form in ("csv", "pdf", "bundle", "parquet")
        ]
        last = [_record(client) for _ in range(8)][-1]
        threads = [threading.Thread(target=_ask, args=(server, siege.mallory, number)) for number in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        assert server.process is not None
        server.process.terminate()
        assert server.process.wait(GRACE_SECONDS + MARGIN_SECONDS) == 0
        for thread in threads:
            thread.join()
    again = start_server(home=server.home)
    with again.client(siege.mallory) as client:
        page = client.get("/v1/audit-logs", params={"order": "recorded", "limit": 1, "count": "exact"}).json()
        assert page["total"] > last, page
        client.post("/v1/alert-rules", json={"name": "Alarm", "query": "action:alarm.raised"}).raise_for_status()
        client.post("/v1/audit-logs", json={"action": "alarm.raised"}).raise_for_status()
        wait_until(lambda: "Alarm" in client.get("/v1/alerts").text)
        wait_until(lambda: all(client.get(f"/v1/exports/{one}").json()["status"] == "completed" for one in exports))


def _record(client: httpx.Client) -> int:
    """Records events that rules are still to evaluate; the index of the last."""
    events = [{"action": "project.updated", "description": f"word number {number}"} for number in range(500)]
    answer = client.post("/v1/audit-logs", json={"events": events}).raise_for_status()
    return int(answer.json()["events"][-1]["index"])


def _ask(server, key: str, number: int) -> None:
    """A back-test, a live view or a search of many words, until the server has gone."""
    words = " OR ".join(f"x{number}y{one}" for one in range(WORDS))
    rule = {"query": f"{words} OR number", "kind": "first_seen", "group_by": "action", "new": "user"}
    with server.client(key) as client:
        try:
            while True:
                if number % 3 == 0:
                    client.post("/v1/alert-rules/backtest", json=rule)
                elif number % 3 == 1:
                    with client.stream("GET", "/v1/audit-logs/live", params={"q": words, "after": -1}) as view:
                        for _ in view.iter_raw():
                            pass
                else:
                    client.get("/v1/audit-logs", params={"q": words, "limit": 1000})
        except httpx.TransportError:
            return
