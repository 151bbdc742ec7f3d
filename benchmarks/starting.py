"""How long a server with many organizations needs from its start until it answers, after a power cut.

`python -m benchmarks.starting` fills a data directory, then starts a server on it several times, killing it each time.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.server import COMMAND
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.app import Services, build, running
from tallystick.clock import now_us
from tallystick.ledger import log
from tallystick.query.scope import Scope
from tallystick.settings import Settings

PORT = 18_799
URL = f"http://127.0.0.1:{PORT}/healthz"
CONCURRENT = 16


async def _fill(services: Services, count: int, events: int) -> None:
    body = json.dumps({"events": [{"action": "user.login", "metadata": {"n": n}} for n in range(events)]}).encode()
    turns = asyncio.Semaphore(CONCURRENT)

    async def record(scope: Scope) -> None:
        async with turns:
            await services.recorder.record(scope, body, "application/json")

    async with running(services):
        with services.database.write() as connection:
            made = [organizations.create(connection, f"org-{n}", now=now_us()).org_id for n in range(count)]
            for org_id in made:
                log.create(connection, org_id, now=now_us())
        await asyncio.gather(*(record(operator_scope(org_id)) for org_id in made))
        await asyncio.sleep(3)


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _start(environ: dict[str, str], seconds_up: float) -> tuple[float, float]:
    """Seconds until the first answer, and of processors, which other work on the machine does not lengthen as much."""
    began = time.monotonic()
    server = subprocess.Popen(
        [COMMAND, "serve", "--port", str(PORT)], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                httpx.get(URL, timeout=1).raise_for_status()
                return time.monotonic() - began, _cpu_seconds(server.pid)
            except httpx.TransportError:
                time.sleep(0.02)
    finally:
        time.sleep(seconds_up)
        server.kill()
        server.wait()


def main() -> None:
    """Read the options, measure, print the seconds of each start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organizations", type=int, default=2000)
    parser.add_argument("--events", type=int, default=100, help="of each organization")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="between an answer and the power cut")
    parser.add_argument("--data-dir", type=Path, help="kept and used again if it has been filled")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as home:
        data_dir = chosen.data_dir or Path(home) / "data"
        environ = os.environ | {"TALLYSTICK_DATA_DIR": str(data_dir)}
        if not data_dir.exists():
            if os.fork() == 0:  # a process of its own: its threads end with it
                asyncio.run(_fill(build(Settings.load(environ)), chosen.organizations, chosen.events))
                os._exit(0)
            os.wait()
        taken = [_start(environ, chosen.seconds) for _ in range(chosen.starts)]
    for name, figures in zip(("seconds", "cpu_seconds"), zip(*taken, strict=True), strict=True):
        print(json.dumps({name: [round(one, 2) for one in figures], "median": round(statistics.median(figures), 2)}))
    sys.exit(0)


if __name__ == "__main__":
    main()
