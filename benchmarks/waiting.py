"""`python -m benchmarks.waiting`: recording alone, and beside a thousand exports that wait, in one run.

The exports hold everything that was recorded before, so that the worker is at one of them all the time.
"""

import argparse
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks import corpus
from benchmarks.load import request, send_all
from benchmarks.server import Measured
from tallystick.exports.request import MOST_WAITING

BATCH, CONNECTIONS = 100, 4
SCOPES = ("events:write", "events:read", "exports")


def recorded(server: Measured, key: str, count: int) -> dict[str, float]:
    """So many events, and how long each request took."""
    messages = [request("POST", "/v1/audit-logs", key, body) for body in corpus.bodies(corpus.events(count), BATCH)]
    began = time.perf_counter()
    taken = send_all(server.port, messages, CONNECTIONS)
    seconds = time.perf_counter() - began
    cut = statistics.quantiles(taken, n=100)
    return {"events_per_second": round(count / seconds), "p50_ms": round(cut[49] * 1000, 1),
            "p95_ms": round(cut[94] * 1000, 1)}  # fmt: skip


def main() -> None:
    """Prints the figures of this run as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--events", type=int, default=50_000, help="in each of the two rounds, and before them")
    given = parser.parse_args()
    server = Measured()
    try:
        flags = [part for scope in SCOPES for part in ("--scope", scope)]
        key = server.run("key", "create", "--org", "bench", "--name", "exports", *flags).strip()
        recorded(server, key, given.events)
        server.caught_up(server.last_index())
        figures: dict[str, object] = {"cores": os.cpu_count(), "alone": recorded(server, key, given.events)}
        server.caught_up(server.last_index())
        bearer = {"Authorization": f"Bearer {key}"}
        began = time.perf_counter()

        def ask(_number: int) -> None:
            server.client.post("/v1/exports", json={"format": "ndjson"}, headers=bearer).raise_for_status()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(MOST_WAITING)))
        figures["asked_in_seconds"] = round(time.perf_counter() - began, 1)
        figures["beside_them"] = recorded(server, key, given.events)
        states = [one["status"] for one in server.client.get("/v1/exports?limit=1000", headers=bearer).json()["data"]]
        figures["then"] = {state: states.count(state) for state in sorted(set(states))}
        print(json.dumps(figures, indent=2))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
