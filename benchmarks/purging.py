"""`python -m benchmarks.purging`: recording and finding while a tenth of the events is purged, against before."""

import argparse
import json
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable
from datetime import datetime

import httpx

from benchmarks import corpus
from benchmarks.load import request, send_all
from benchmarks.server import Measured

WORDS = ("deploy", "status:failed", "john@", "action:deployment.*", "encryption", "")
BATCH, BATCHES_A_SECOND = 100, 5
PAUSE = 0.05  # seconds between two questions
BEFORE_SECONDS = 30.0


class Load:
    """Batches at a steady pace, and one question after the other; how long each took."""

    def __init__(self, server: Measured) -> None:
        self._server = server
        self._stop = threading.Event()
        self.recording: list[float] = []
        self.finding: list[float] = []
        body = json.dumps({"events": [json.loads(one) | {"timestamp": None} for one in corpus.events(BATCH)]}).encode()
        self._threads = [
            threading.Thread(target=self._repeat, args=(self.recording, 1 / BATCHES_A_SECOND, self._record(body))),
            threading.Thread(target=self._repeat, args=(self.finding, PAUSE, self._find())),
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._server.key}"}
        return httpx.Client(base_url=self._server.url, headers=headers, timeout=60)

    def _record(self, body: bytes) -> Callable[[], object]:
        client = self._client()
        headers = {"Content-Type": "application/json"}
        return lambda: client.post("/v1/audit-logs", content=body, headers=headers).raise_for_status()

    def _find(self) -> Callable[[], object]:
        client = self._client()
        asked = iter(range(1_000_000_000))
        return lambda: client.get(
            "/v1/audit-logs", params={"q": WORDS[next(asked) % len(WORDS)], "count": "none"}
        ).raise_for_status()

    def _repeat(self, taken: list[float], pause: float, act: Callable[[], object]) -> None:
        while not self._stop.is_set():
            began = time.perf_counter()
            act()
            taken.append(time.perf_counter() - began)
            self._stop.wait(max(0.0, pause - (0 if pause == PAUSE else taken[-1])))


def p95(taken: list[float]) -> float:
    """In milliseconds."""
    return round(statistics.quantiles(taken, n=20)[-1] * 1000, 1)


def load(server: Measured, count: int) -> None:
    """Record `count` events of a year."""
    for start in range(0, count, 500_000):
        some = list(corpus.events(min(500_000, count - start)))
        messages = [request("POST", "/v1/audit-logs", server.key, body) for body in corpus.bodies(some, 1000)]
        send_all(server.port, messages, 4)


def make_due(server: Measured, count: int) -> int:
    """Let the oldest `count` events be past their retention, and the purge be due; how many days are kept."""
    edge = server.client.get(f"/v1/audit-logs?order=asc&limit=1&offset={count}&count=none").json()["data"][0][
        "timestamp"
    ]
    days = int((time.time() - datetime.fromisoformat(edge).timestamp()) / 86_400)
    with sqlite3.connect(server.data_dir / "tallystick.db", timeout=30) as control:
        control.execute("UPDATE organizations SET retention_days = ?, longer_days = NULL, longer_until = NULL", (days,))
        control.execute("UPDATE purges SET next_run_at = 0")
    return days


def is_over(server: Measured) -> bool:
    """Whether the day's purge found nothing more to delete."""
    with sqlite3.connect(server.data_dir / "tallystick.db", timeout=30) as control:
        return bool(control.execute("SELECT min(next_run_at) FROM purges").fetchone()[0])


def pruned(server: Measured) -> int:
    """How many events the log knows to be purged."""
    with sqlite3.connect(server.data_dir / "tallystick.db", timeout=30) as control:
        return int(control.execute("SELECT sum(pruned) FROM logs").fetchone()[0])


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.1)
    chosen = parser.parse_args()
    server = Measured()
    try:
        load(server, chosen.events)
        server.caught_up(server.last_index())
        with Load(server) as before:
            time.sleep(BEFORE_SECONDS)
        days = make_due(server, int(chosen.events * chosen.share))
        began = time.monotonic()
        with Load(server) as during:
            while not is_over(server):
                time.sleep(1)
            seconds = time.monotonic() - began
        print(
            json.dumps(
                {
                    "events": chosen.events,
                    "kept_days": days,
                    "purged": pruned(server),
                    "purge_seconds": round(seconds),
                    "recording_p95_ms": {"before": p95(before.recording), "during": p95(during.recording)},
                    "finding_p95_ms": {"before": p95(before.finding), "during": p95(during.finding)},
                    "recording_ratio": round(p95(during.recording) / p95(before.recording), 2),
                    "finding_ratio": round(p95(during.finding) / p95(before.finding), 2),
                },
                indent=1,
            )
        )
    finally:
        server.stop()


if __name__ == "__main__":
    main()
