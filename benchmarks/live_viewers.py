"""`python -m benchmarks.live_viewers`: recording while one organization's viewers follow searches of many words.

One organization opens `--viewers` live views, each with a search of 90 words of its own (`--same`: all with one), and
records `--events` events. Another one records single events meanwhile. It prints both paces without and with viewers.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import threading
import time
from urllib.parse import urlencode

import httpx

from benchmarks import corpus
from benchmarks.heavy_rules import WORDS, client_of, words
from benchmarks.load import request, send_all
from benchmarks.server import Measured


class Viewers(threading.Thread):
    """Live views that read whatever comes."""

    def __init__(self, port: int, key: str, searches: list[str]) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._requests = [request("GET", f"/v1/audit-logs/live?{urlencode({'q': search})}", key) for search in searches]
        self.refused = 0
        self.opened = threading.Barrier(2)

    def run(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        tasks = [asyncio.create_task(self._view(message)) for message in self._requests]
        await asyncio.sleep(3)
        self.opened.wait()
        await asyncio.gather(*tasks)

    async def _view(self, message: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(message)
        status = int((await reader.readuntil(b"\r\n\r\n"))[9:12])
        self.refused += status == 429
        while status == 200 and await reader.read(1 << 16):
            pass


def main() -> None:
    """Prints figures of this run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_viewers", description=__doc__)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--same", action="store_true")
    given = parser.parse_args()
    server = Measured()
    try:
        heavy, light = client_of(server, "heavy"), client_of(server, "light")
        key = heavy.headers["Authorization"].removeprefix("Bearer ")
        some = words(random.Random(16))
        searches = [" OR ".join(itertools.islice(some, WORDS)) for _ in range(given.viewers)]
        record(server, key, light, given.events, "without viewers")
        viewers = Viewers(server.port, key, searches[:1] * given.viewers if given.same else searches)
        viewers.start()
        viewers.opened.wait()
        record(server, key, light, given.events, f"with {given.viewers - viewers.refused} viewers")
    finally:
        server.stop()


def record(server: Measured, key: str, light: httpx.Client, events: int, when: str) -> None:
    """Record as the one organization, and single events as the other; print both."""
    messages = [
        request("POST", "/v1/audit-logs", key, body) for body in corpus.bodies(list(corpus.events(events)), 500)
    ]
    done, taken = threading.Event(), []

    def record_single() -> None:
        while not done.is_set():
            began = time.perf_counter()
            light.post("/v1/audit-logs", json={"action": "light.done"}).raise_for_status()
            taken.append(time.perf_counter() - began)
            time.sleep(0.05)

    single = threading.Thread(target=record_single)
    single.start()
    began = time.perf_counter()
    send_all(server.port, messages, 4)
    seconds = time.perf_counter() - began
    done.set()
    single.join()
    p95 = statistics.quantiles(taken, n=20)[-1] if len(taken) > 1 else taken[0]
    print(f"{when}: {events / seconds:,.0f} events/s; the other organization's event: median "
          f"{statistics.median(taken) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, worst {max(taken) * 1000:.0f} ms",
          flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
