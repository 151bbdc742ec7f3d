"""`python -m benchmarks.busy_page`: recording while a hundred people watch an organization that records a lot.

`--viewers` live views are open, a process sends `--rate` events per second in requests of `--batch`, and another one
searches without a pause. A key of the same organization records single events meanwhile, about five per second; it
prints how long these took, first without viewers, then with them. Each part has a process of its own, so that none
waits for another's interpreter.
"""

import argparse
import multiprocessing
import os
import statistics
import time

import httpx

from benchmarks import corpus
from benchmarks.live_viewers import Viewers
from benchmarks.load import request, send_all, send_paced
from benchmarks.server import Measured

SEARCHES = ("status=failed", "q=deploy", "q=-category:authentication+project", "q=user:*@example.com", "limit=50")
PAUSE_SECONDS = 0.2


def watch(port: int, key: str, viewers: int) -> None:
    """Opens the live views and reads what comes, until the process is ended."""
    views = Viewers(port, key, [""] * viewers)
    views.start()
    views.opened.wait()
    print(f"{viewers - views.refused} of {viewers} live views are open", flush=True)
    views.join()


def send(port: int, key: str, rate: int, batch: int, seconds: int) -> None:
    """Sends events at a rate."""
    bodies = corpus.bodies(list(corpus.events(rate * seconds)), batch)
    send_paced(port, [request("POST", "/v1/audit-logs", key, body) for body in bodies], batch / rate, 8)


def search(port: int, key: str) -> None:
    """Searches without a pause, until the process is ended."""
    while True:
        send_all(port, [request("GET", f"/v1/audit-logs?{query}", key) for query in SEARCHES], 1)


def record(client: httpx.Client, seconds: int) -> list[float]:
    """Records single events for so long; the seconds that each took."""
    taken, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        client.post("/v1/audit-logs", json={"action": "page.viewed"}).raise_for_status()
        taken.append(time.monotonic() - began)
        time.sleep(PAUSE_SECONDS)
    return taken


def measure(server: Measured, viewers: int, given: argparse.Namespace) -> None:
    """Prints how long single events took beside these viewers."""
    parts = [
        multiprocessing.Process(target=send, args=(server.port, server.key, given.rate, given.batch, given.seconds)),
        multiprocessing.Process(target=search, args=(server.port, server.key)),
    ]
    if viewers:
        parts.append(multiprocessing.Process(target=watch, args=(server.port, server.key, viewers)))
    for part in parts:
        part.start()
    time.sleep(5)
    taken = record(server.client, given.seconds - 10)
    for part in parts:
        part.terminate()
        part.join()
    cuts = statistics.quantiles(taken, n=100)
    print(f"{viewers} viewers: single events p50 {cuts[49] * 1000:.0f} ms, p95 {cuts[94] * 1000:.0f} ms, "
          f"p99 {cuts[98] * 1000:.0f} ms, worst {max(taken) * 1000:.0f} ms of {len(taken)}", flush=True)  # fmt: skip


def main() -> None:
    """Prints figures of this run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy_page", description=__doc__)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=70)
    given = parser.parse_args()
    os.environ.setdefault("TALLYSTICK_LIVE_VIEWERS", str(10 * given.viewers))  # a key may have a tenth of all
    server = Measured()
    try:
        for viewers in (0, given.viewers):
            measure(server, viewers, given)
        print(f"memory {server.memory_mb():.0f} MB")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
