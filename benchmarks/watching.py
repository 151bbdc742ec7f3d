"""How long after its recording an event shows in a live view."""

import json
import statistics
import threading
import time

from benchmarks.server import Measured


def live_latency(server: Measured, count: int) -> dict[str, float]:
    """Milliseconds from sending a request to reading its event in a live view."""
    seen: dict[str, float] = {}
    ready = threading.Event()
    done = threading.Event()

    def watch() -> None:
        with server.client.stream("GET", "/v1/audit-logs/live?action=bench.live") as answer:
            ready.set()
            for line in answer.iter_lines():
                if line.startswith("data:") and "bench.live" in line:
                    seen[json.loads(line[5:])["metadata"]["mark"]] = time.perf_counter()
                    if len(seen) == count:
                        done.set()
                        return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    ready.wait(10)
    sent: dict[str, float] = {}
    for number in range(count):
        mark = f"mark-{number}"
        sent[mark] = time.perf_counter()
        server.client.post("/v1/audit-logs", json={"action": "bench.live", "metadata": {"mark": mark}})
        time.sleep(0.1)
    done.wait(10)
    taken = sorted((seen[mark] - sent[mark]) * 1000 for mark in seen)
    return {"seen": len(taken), "p50_ms": statistics.median(taken), "p95_ms": taken[int(len(taken) * 0.95)]}
