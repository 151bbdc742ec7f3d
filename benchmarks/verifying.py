"""`python -m benchmarks.verifying [COUNT]`: how fast a bundle is written and verified, and in how much memory.

Beside it how fast this core makes the hashes alone: eleven for each event, of its salts, its parts, itself, its leaf
and one node. However the rest is written, verifying stays below that.
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import corpus
from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.database.migrate import upgrade
from tallystick.events.intake import read_request
from tallystick.events.record import StoredEvent
from tallystick.ledger import log as ledger
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.query.scope import Principal
from tallystick.search.paging import as_stored_event
from tallystick.secret_keys import SecretKeys

BATCH = 1_000
# The kernel's own high-water mark, in KiB: ru_maxrss of a child would include what its parent had.
CHILD = """
import os, re, sys
from pathlib import Path
from tallystick.verify.command import main
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[: int(sys.argv[1])])
main(sys.argv[2:])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
SENDER = Principal("api_key", "key_1", "bench")


def write(path: Path, count: int) -> tuple[str, float]:
    """A bundle of a log of `count` events; the key, and the seconds that writing took."""
    database = Database(f"sqlite:///{path.parent / 'tallystick.db'}")
    upgrade(database)
    with database.write() as connection:
        org_id = organizations.create(connection, "bench", now=clock.now_us()).org_id
        ledger.create(connection, org_id, now=clock.now_us())
    held: list[list[StoredEvent]] = []
    for body in corpus.bodies(list(corpus.events(count)), BATCH):
        prepared = read_request(
            body, "application/json", received_at=clock.now_us(), recorded_by=SENDER, redacted_keys=frozenset()
        )
        with database.write() as connection:
            log = ledger.lock(connection, org_id)
            ledger.append(connection, log, [one.record.entry for one in prepared])
        held.append([as_stored_event(index, one.record) for index, one in enumerate(prepared, log.size)])
    signer = Signer(database, Keyring(SecretKeys("x" * 64), "bench.example.com"), path.parent)
    signer.open()
    prover, scope = Prover(database, signer), operator_scope(org_id)
    began = time.perf_counter()
    with path.open("wb") as file:
        BundleWriter(database, prover).write(file, scope, Selection(0, count), _blocks(held))
    taken = time.perf_counter() - began
    key = prover.vkeys(scope)[0]
    database.close()
    return key, taken


def hashing(count: int, part_bytes: int) -> float:
    """Events a second if there was nothing to do but hash, with so many bytes in the parts of each."""
    lengths = [36] * 4 + [36 + part_bytes // 4] * 4 + [172, 33, 65]
    messages, sha256 = [b"x" * length for length in lengths], hashlib.sha256
    began = time.process_time()
    for _ in range(count):
        for message in messages:
            sha256(message).digest()
    return count / (time.process_time() - began)


def measure(count: int) -> dict[str, float]:
    """Figures for a bundle of `count` events; verifying runs in processes of its own."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "bundle.zip"
        key, writing = write(path, count)
        one, cores = verify(path, key, count, 1), len(os.sched_getaffinity(0))
        return {
            "events": count,
            "bundle_bytes_per_event": path.stat().st_size / count,
            "written_per_second": count / writing,
            **{f"{name}_on_one_core": figure for name, figure in one.items()},
            "hashes_alone_on_one_core": hashing(count, 650),
            **{f"{name}_on_{cores}_cores": figure for name, figure in verify(path, key, count, cores).items()},
        }


def verify(path: Path, key: str, count: int, cores: int) -> dict[str, float]:
    """Figures of a process that may use so many cores; the memory is that of the one that reads."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", CHILD, str(cores), str(path), "--key", key, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    taken = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    report, memory = done.stdout.splitlines()
    assert json.loads(report)["reports"][0]["verified"] == count
    return {
        "verified_per_second": count / taken,
        "verified_per_cpu_second": count / cpu,
        "memory_mb": int(memory) / 1024,
    }


def _blocks(held: list[list[StoredEvent]]) -> Iterator[list[StoredEvent]]:
    yield from held


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000), indent=2))
