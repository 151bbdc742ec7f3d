"""`python -m benchmarks`: one run, a table of figures and ratios on standard output, JSON in a file."""

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import corpus, load, queries
from benchmarks.server import Measured
from benchmarks.watching import live_latency

RESULTS = Path(__file__).parent / "results"
console = Console(width=120)


def ingest(server: Measured, sent: list[bytes], size: int, connections: int) -> dict[str, float]:
    """Record over HTTP in batches of `size`, until queries see it all; the generator runs on this machine too."""
    messages = [load.request("POST", "/v1/audit-logs", server.key, body) for body in corpus.bodies(sent, size)]
    began = time.perf_counter()
    taken = sorted(load.send_all(server.port, messages, connections))
    recorded = time.perf_counter() - began
    server.caught_up(server.last_index())
    searchable = time.perf_counter() - began
    return {
        "batch": size,
        "events": len(sent),
        "recorded_per_second": len(sent) / recorded,
        "searchable_per_second": len(sent) / searchable,
        "p50_ms": taken[len(taken) // 2] * 1000,
        "p95_ms": taken[int(len(taken) * 0.95)] * 1000,
    }


def raw_store(count: int) -> dict[str, float]:
    """The event store alone, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.raw_store", str(count)], capture_output=True, text=True, check=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run(total: int) -> dict[str, object]:
    """Everything, in one run."""
    console.print(f"Making {total:,} events…")
    made = list(corpus.events(total))
    raw = raw_store(min(total, 200_000))
    console.print(f"raw store: {raw['per_second']:,.0f} rows/s")
    server = Measured()
    try:
        time.sleep(2)
        idle = server.memory_mb()
        parts = [(1, 3_000, 32), (100, 200_000, 8), (1000, 200_000, 4)]
        recorded = []
        at = 0
        for size, count, connections in parts:
            some = made[at : at + min(count, total // 4)]
            at += len(some)
            recorded.append(ingest(server, some, size, connections))
            console.print(recorded[-1])
        if made[at:]:
            ingest(server, made[at:], 1000, 4)
        loaded = server.peak_mb()
        console.print("Waiting until merges are done and what was merged is removed…")
        time.sleep(75)
        size = server.store_bytes()
        served = queries.measure(server.client, queries.SERVED, rounds=40)
        scanned = queries.measure(server.client, queries.SCANNED, rounds=10)
        live = live_latency(server, 50)
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "events": total,
            "raw_store": raw,
            "ingest": recorded,
            "ratio_http_100_to_raw": recorded[1]["searchable_per_second"] / raw["per_second"],
            "served": served,
            "scanned": scanned,
            "live_ms": live,
            "bytes_per_event": size / total,
            "idle_mb": idle,
            "peak_load_mb": loaded,
            "after_mb": server.memory_mb(),
        }
    finally:
        server.stop()


def show(result: dict[str, object]) -> None:
    """Tables for people."""
    recorded = Table(title="Recording over HTTP")
    for column in ("batch", "events", "recorded/s", "searchable/s", "p50 ms", "p95 ms"):
        recorded.add_column(column, justify="right")
    for one in result["ingest"]:  # type: ignore[attr-defined]
        recorded.add_row(
            f"{one['batch']:,}", f"{one['events']:,}", f"{one['recorded_per_second']:,.0f}",
            f"{one['searchable_per_second']:,.0f}", f"{one['p50_ms']:.1f}", f"{one['p95_ms']:.1f}",
        )  # fmt: skip
    console.print(recorded)
    for title in ("served", "scanned"):
        table = Table(title=f"Newest 50, {title}")
        for column in ("query", "p50 ms", "p95 ms", "rows", "total", "partial"):
            table.add_column(column, justify="left" if column == "query" else "right")
        for found in result[title]:  # type: ignore[attr-defined]
            table.add_row(
                found.name, f"{found.p50:.1f}", f"{found.p95:.1f}", str(found.found), found.total, str(found.partial)
            )
        console.print(table)
    for name in ("ratio_http_100_to_raw", "live_ms", "bytes_per_event", "idle_mb", "peak_load_mb", "after_mb"):
        console.print(name, result[name])


def main() -> None:
    """Read the options, measure, show, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--large", action="store_true", help="10 million events")
    chosen = parser.parse_args()
    result = run(10_000_000 if chosen.large else chosen.events)
    show(result)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result['at']}.json"
    path.write_text(json.dumps(result, default=lambda one: {n: getattr(one, n) for n in one.__slots__}, indent=2))
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
