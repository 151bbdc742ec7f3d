"""How long a rebuild of the event store takes beside a running server, what it needs, and what recording loses by it.

`python -m benchmarks.rebuilding` records events, lets the server rebuild its event store as after an upgrade, and
records a part of the events beside it at the highest rate. Disk space is what the directory of the event store takes at
most, beyond what it took before; memory is that of the whole server.
"""

import argparse
import json
import threading
import time

from benchmarks import corpus, load
from benchmarks.server import Measured

BATCH = 100
CONNECTIONS = 8
LOOK_SECONDS = 0.5
SETTLE_SECONDS = 75  # until merges are done, and what was merged is removed


class _Watch:
    """Looks twice a second at the server's memory, at its disk space, and at how soon an event is searchable."""

    def __init__(self, server: Measured) -> None:
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.most_bytes = 0
        self.most_mb = 0.0
        self.longest_seconds = 0.0

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.most_mb = max(self.most_mb, self._server.memory_mb())
            self.most_bytes = max(self.most_bytes, self._server.store_bytes())
            began = time.monotonic()
            self._server.caught_up(self._server.last_index())
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)


def _record(server: Measured, sent: list[bytes]) -> dict[str, float]:
    messages = [load.request("POST", "/v1/audit-logs", server.key, body) for body in corpus.bodies(sent, BATCH)]
    began = time.perf_counter()
    taken = sorted(load.send_all(server.port, messages, CONNECTIONS))
    rate = len(sent) / (time.perf_counter() - began)
    return {"per_second": round(rate), "p95_ms": round(taken[int(len(taken) * 0.95)] * 1000, 1)}


def measure(count: int) -> dict[str, object]:
    """The figures of one rebuild of `count` events, of which a twentieth is recorded beside it."""
    made = list(corpus.events(count))
    beside = len(made) // 20
    server = Measured()
    try:
        _record(server, made[2 * beside :])
        quiet = _record(server, made[beside : 2 * beside])
        server.caught_up(server.last_index())
        time.sleep(SETTLE_SECONDS)
        before, memory = server.store_bytes(), server.memory_mb()
        began = time.perf_counter()
        ended: list[float] = []
        command = threading.Thread(
            target=lambda: (server.run("store", "rebuild"), ended.append(time.perf_counter() - began))
        )
        with _Watch(server) as watch:
            command.start()
            time.sleep(5)
            during = _record(server, made[:beside])
            command.join()
        return {
            "events": count,
            "seconds": round(ended[0], 1),
            "events_per_second": round(count / ended[0]),
            "store_mb": round(before / 1e6, 1),
            "space_mb": round((watch.most_bytes - before) / 1e6, 1),
            "space_ratio": round((watch.most_bytes - before) / before, 2),
            "memory_before_mb": round(memory),
            "memory_most_mb": round(watch.most_mb),
            "recording_quiet": quiet,
            "recording_beside": during,
            "longest_until_searchable_seconds": round(watch.longest_seconds, 1),
        }
    finally:
        server.stop()


def main() -> None:
    """Read the options, measure, print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    print(json.dumps(measure(parser.parse_args().events)))


if __name__ == "__main__":
    main()
