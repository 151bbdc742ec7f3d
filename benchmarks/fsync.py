"""`python -m benchmarks.fsync`: what synchronizing to the disk costs: inserts, merges, and changes of whole data parts.

Three stores in turn, each in a process of its own: without any synchronization, with that of inserts alone, and with
that of merges and changes too, which is what the product does. Give a `--directory` on the disk that matters: on a file
system in memory synchronizing costs nothing.

Measured on an SSD of two cores that were busy with other work, medians of three rounds of 40,000 events: merges took
1.9 s instead of 1.6 s, changes of every row 0.6 s instead of 0.5 s. An insert of 500 events took 50 to 61 ms, whatever
was synchronized; on the same cores less busy, in one round, 37 ms instead of 21 ms. Recording waits for none of them:
it ends with the journal's transaction.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from benchmarks.raw_store import records
from tallystick.store.events import EventStore

OF_INSERTS = ("fsync_after_insert", "fsync_part_directory")
OF_MERGES = ("min_rows_to_fsync_after_merge", "min_compressed_bytes_to_fsync_after_merge")
KINDS = {"none": (), "inserts": OF_INSERTS, "inserts and merges": (*OF_INSERTS, *OF_MERGES)}
MERGE = "OPTIMIZE TABLE events FINAL"
CHANGE = "ALTER TABLE events UPDATE what = concat(what, ''), search_text = concat(search_text, '') WHERE 1"
COLUMNS = ("insert p50 ms", "insert p95 ms", "merge s", "change s", "flushed s")


def measure(kind: str, count: int, size: int, directory: str) -> dict[str, float]:
    """Insert `count` events in shipments of `size`, merge all parts into one, and change every row."""
    rows = records(count)
    org_id = uuid4()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-", dir=directory) as folder:
        store = EventStore(f"chdb://{folder}/events")
        store.open()
        chosen = ", ".join(f"{name} = {int(name in KINDS[kind])}" for name in (*OF_INSERTS, *OF_MERGES))
        store.change(f"ALTER TABLE events MODIFY SETTING {chosen}")
        store.allow_merges(False)
        times = [time.perf_counter()]
        for start in range(0, count, size):
            store.insert([(org_id, start, rows[start : start + size])], f"{start}")
            times.append(time.perf_counter())
        taken = sorted(later - earlier for earlier, later in pairwise(times))
        store.allow_merges(True)
        steps = [time.perf_counter()]
        for statement in (MERGE, CHANGE):
            store.change(statement)
            steps.append(time.perf_counter())
        os.sync()  # what was not synchronized is written some day, or lost before
        steps.append(time.perf_counter())
        store.close()
    p50, p95 = (taken[int(len(taken) * share)] * 1000 for share in (0.5, 0.95))
    return dict(zip(COLUMNS, (p50, p95, *(later - earlier for earlier, later in pairwise(steps))), strict=True))


def main() -> None:
    """Measure each kind several times in turn, and show the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=500, help="events in one insert")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", default=tempfile.gettempdir())
    parser.add_argument("--kind", choices=KINDS, help="measure this one and print JSON")
    given = parser.parse_args()
    if given.kind:
        print(json.dumps(measure(given.kind, given.events, given.size, given.directory)))
        return
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(given.rounds):
        for kind, runs in found.items():
            command = [sys.executable, "-m", "benchmarks.fsync", "--kind", kind, "--directory", given.directory]
            options = ["--events", str(given.events), "--size", str(given.size)]
            done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    table = Table("synchronized", *COLUMNS, title=f"{given.events:,} events, {given.size} in an insert")
    for kind, runs in found.items():
        table.add_row(kind, *(f"{sorted(run[name] for run in runs)[len(runs) // 2]:.1f}" for name in COLUMNS))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
