"""What continuous copies cost recording, what a lost data directory loses with them, and how long a restore takes.

`python -m benchmarks.copying` records beside copies and without them, in turns; then it fills a server, kills it under
load, deletes its data directory, restores it and counts what is lost.
"""

import argparse
import itertools
import json
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx

from benchmarks import corpus, load
from benchmarks.server import Measured

BATCH = 100
CONNECTIONS = 8


def _record(server: Measured, sent: list[bytes]) -> tuple[float, float, float]:
    """Events a second, and the median and 95th percentile of a request in milliseconds."""
    messages = [load.request("POST", "/v1/audit-logs", server.key, body) for body in corpus.bodies(sent, BATCH)]
    began = time.perf_counter()
    taken = sorted(load.send_all(server.port, messages, CONNECTIONS))
    rate = len(sent) / (time.perf_counter() - began)
    return rate, taken[len(taken) // 2] * 1000, taken[int(len(taken) * 0.95)] * 1000


def _cost(made: list[bytes], rounds: int, home: Path) -> dict[str, object]:
    """Recording with and without copies, each on a server of its own; every figure is the median of the rounds."""
    found: dict[str, list[tuple[float, float, float]]] = {"without": [], "with": []}
    for number in range(rounds):
        for name, settings in (("without", {}), ("with", {"COPIES_DIR": str(home / f"cost-{number}")})):
            server = Measured(**settings)
            try:
                _record(server, made[: len(made) // 10])  # and the first full copy is complete
                time.sleep(5)
                found[name].append(_record(server, made))
            finally:
                server.stop()
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    return {
        "events": len(made),
        **{
            f"{name}_copies": dict(zip(("per_second", "p50_ms", "p95_ms"), figures, strict=True))
            for name, figures in medians.items()
        },
        "cost": 1 - medians["with"][0] / medians["without"][0],
        "rounds": {name: [round(row[0]) for row in rows] for name, rows in found.items()},
    }


class _Load:
    """One sender that notes when each event was acknowledged."""

    def __init__(self, server: Measured) -> None:
        self._server = server
        self.answered: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for number in itertools.count():
            body = {"events": [{"action": "bench.event", "metadata": {"n": f"{number}-{at}"}} for at in range(50)]}
            try:
                answer = self._server.client.post("/v1/audit-logs", json=body)
            except httpx.TransportError:
                return
            if answer.status_code == 201:
                now = time.monotonic()
                self.answered += [(now, one["index"]) for one in answer.json()["events"]]
            time.sleep(0.05)

    def join(self) -> None:
        self._thread.join()


def _disaster(made: list[bytes], seconds: float, home: Path) -> dict[str, object]:
    """Fill, record for some seconds, kill, delete, restore; what was lost, and how long it took."""
    server = Measured(COPIES_DIR=str(home / "copies"))
    try:
        rate, _p50, _p95 = _record(server, made)
        server.caught_up(server.last_index())
        sender = _Load(server)
        time.sleep(seconds)
        server.kill()
        lost_at = time.monotonic()
        sender.join()
        secret = (server.data_dir / "secret.key").read_bytes()
        shutil.rmtree(server.data_dir)
        server.data_dir.mkdir(mode=0o700)
        (server.data_dir / "secret.key").write_bytes(secret)
        began = time.perf_counter()
        said = json.loads(server.run("restore", "--json"))
        restored = time.perf_counter() - began
        server.start()
        server.client.get("/v1/audit-logs?limit=1&count=none").raise_for_status()
        answering = time.perf_counter() - began
        page = server.client.get("/v1/audit-logs?action=audit_log.log_restarted&count=none").json()
        size = page["data"][0]["index"]  # the first that was recorded after the restore
        lost = [at for at, index in sender.answered if index >= size]
        return {
            "events": len(made),
            "filled_per_second": rate,
            "acknowledged_under_load": len(sender.answered),
            "lost_events": len(lost),
            "lost_seconds": max((lost_at - at for at in lost), default=0.0),
            "restore_seconds": restored,
            "until_it_answers_seconds": answering,
            "appended": said["appended"],
            "entries": size,
            "copies_bytes": sum(path.stat().st_size for path in (home / "copies").rglob("*") if path.is_file()),
        }
    finally:
        server.stop()


def main() -> None:
    """Read the options, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="before the disaster; 0: none")
    parser.add_argument("--cost-events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=75.0, help="of load before the disaster")
    parser.add_argument("--copies", type=Path, help="where copies go, such as another disk; by default the same one")
    chosen = parser.parse_args()
    made = list(corpus.events(max(chosen.events, chosen.cost_events)))
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-", dir=chosen.copies) as home:
        if chosen.events:
            print(json.dumps({"disaster": _disaster(made[: chosen.events], chosen.seconds, Path(home))}, indent=1))
        print(json.dumps({"recording": _cost(made[: chosen.cost_events], chosen.rounds, Path(home))}, indent=1))


if __name__ == "__main__":
    main()
