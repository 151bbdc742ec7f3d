"""`python -m benchmarks.heavy_rules`: how one organization's rules of many words delay another's alert, and a stop.

One organization has `--rules` rules of 90 words and records `--events` events. Then another records one event that
raises an alert. It prints how long that alert took, how long all events took to be evaluated, and how long the server
took to stop while more of them waited.
"""

import argparse
import itertools
import random
import signal
import time
from collections.abc import Callable, Iterator

import httpx

from benchmarks import corpus
from benchmarks.load import request, send_all
from benchmarks.server import Measured

SCOPES = ("--scope", "events:write", "--scope", "events:read", "--scope", "alerts")
WORDS = 90
LETTERS = "etaoinshrdlucmfwypvbgk0123456789"
STOP_SECONDS = 120


def client_of(server: Measured, name: str) -> httpx.Client:
    """A client of a new organization."""
    server.run("org", "create", name, "--retention-days", "3650")
    key = server.run("key", "create", "--org", name, "--name", "bench", *SCOPES).strip()
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=120)


def words(dice: random.Random) -> Iterator[str]:
    """Words that no event holds."""
    while True:
        yield "".join(dice.choices(LETTERS, k=dice.randrange(4, 11)))


def wait_until(holds: Callable[[], bool], seconds: float) -> str:
    """How long it took until `holds` was true."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        if holds():
            return f"{time.perf_counter() - began:.2f} s"
        time.sleep(0.05)
    return f"not within {seconds:.0f} s"


def main() -> None:
    """Prints figures of this run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heavy_rules", description=__doc__)
    parser.add_argument("--rules", type=int, default=180)
    parser.add_argument("--events", type=int, default=31_000)
    parser.add_argument("--patience", type=float, default=60)
    given = parser.parse_args()
    server = Measured()
    heavy, light = client_of(server, "heavy"), client_of(server, "light")
    some = words(random.Random(16))
    for number in range(given.rules):
        rule = {"name": f"Rule {number}", "query": " OR ".join(itertools.islice(some, WORDS))}
        heavy.post("/v1/alert-rules", json=rule).raise_for_status()
    light.post("/v1/alert-rules", json={"name": "Light", "query": "action:light.alarm"}).raise_for_status()
    heavy.post("/v1/alert-rules", json={"name": "Last rule", "query": "action:heavy.last"}).raise_for_status()
    key = heavy.headers["Authorization"].removeprefix("Bearer ")

    def record() -> None:
        bodies = corpus.bodies(list(corpus.events(given.events)), 500)
        began = time.perf_counter()
        send_all(server.port, [request("POST", "/v1/audit-logs", key, body) for body in bodies], 4)
        print(f"{given.events:,} events recorded in {time.perf_counter() - began:.2f} s", flush=True)
        heavy.post("/v1/audit-logs", json={"action": "heavy.last"}).raise_for_status()

    def has_alert(client: httpx.Client, rule: str) -> Callable[[], bool]:
        return lambda: rule in client.get("/v1/alerts").text

    record()
    began = time.perf_counter()
    light.post("/v1/audit-logs", json={"action": "light.alarm"}).raise_for_status()
    print(f"the other organization's event recorded in {time.perf_counter() - began:.2f} s", flush=True)
    print(f"its alert: {wait_until(has_alert(light, 'Light'), given.patience)}", flush=True)
    print(f"all events evaluated: {wait_until(has_alert(heavy, 'Last rule'), given.patience)} later", flush=True)
    record()
    began = time.perf_counter()
    server._process.send_signal(signal.SIGTERM)
    server._process.wait(STOP_SECONDS)
    print(f"stopped in {time.perf_counter() - began:.2f} s")
    server.stop()


if __name__ == "__main__":
    main()
