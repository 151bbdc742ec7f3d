"""`python -m benchmarks.waiting`: recording alone, beside one export, and beside a thousand that wait, in one run.

The exports hold everything that was recorded before, so that the worker is at one of them all the time.
"""

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice

import httpx

from benchmarks import corpus
from benchmarks.load import request, send_all
from benchmarks.server import Measured
from tallystick.exports.request import MAX_WAITING

BATCH, CONNECTIONS = 100, 4
SCOPES = ("events:write", "events:read", "exports")


def recorded(server: Measured, key: str, events: list[bytes]) -> dict[str, float]:
    """Record them, and say how long each request took."""
    messages = [request("POST", "/v1/audit-logs", key, body) for body in corpus.bodies(events, BATCH)]
    began = time.perf_counter()
    taken = send_all(server.port, messages, CONNECTIONS)
    seconds = time.perf_counter() - began
    cut = statistics.quantiles(taken, n=100)
    return {"events_per_second": round(len(events) / seconds), "p50_ms": round(cut[49] * 1000, 1),
            "p95_ms": round(cut[94] * 1000, 1)}  # fmt: skip


def ask(client: httpx.Client, _number: int = 0) -> str:
    """One more export of everything; its id."""
    answer = client.post("/v1/exports", json={"format": "ndjson"})
    answer.raise_for_status()
    made: str = answer.json()["id"]
    return made


@contextmanager
def one_after_the_other(client: httpx.Client) -> Iterator[None]:
    """An export is made all the time, and no other waits."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            public_id = ask(client)
            while client.get(f"/v1/exports/{public_id}").json()["status"] in ("queued", "running"):
                if ended.wait(0.2):
                    client.delete(f"/v1/exports/{public_id}")
                    return

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ended.set()
    thread.join()


def main() -> None:
    """Prints the figures of this run as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--events", type=int, default=50_000, help="in each of the three rounds, and before them")
    given = parser.parse_args()
    server = Measured()
    try:
        flags = [part for scope in SCOPES for part in ("--scope", scope)]
        key = server.run("key", "create", "--org", "bench", "--name", "exports", *flags).strip()
        made = corpus.events(4 * given.events)
        before, first, second, third = (list(islice(made, given.events)) for _ in range(4))
        recorded(server, key, before)
        server.caught_up(server.last_index())
        figures: dict[str, object] = {"cores": os.cpu_count(), "alone": recorded(server, key, first)}
        server.caught_up(server.last_index())
        bearer = {"Authorization": f"Bearer {key}"}
        exports = httpx.Client(base_url=server.url, headers=bearer, timeout=60)
        with one_after_the_other(exports):
            figures["beside_one"] = recorded(server, key, second)
        server.caught_up(server.last_index())
        began = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(partial(ask, exports), range(MAX_WAITING)))
        figures["asked_in_seconds"] = round(time.perf_counter() - began, 1)
        figures["beside_a_thousand"] = recorded(server, key, third)
        states = [one["status"] for one in server.client.get("/v1/exports?limit=1000", headers=bearer).json()["data"]]
        figures["then"] = {state: states.count(state) for state in sorted(set(states))}
        print(json.dumps(figures, indent=2))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
