"""`python -m benchmarks.exporting`: exports of a million events, rows a second beside the raw stream of the store.

Everything in one process, as the server's worker does it; the corpus is inserted a few times over.
"""

import argparse
import json
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select, update

from benchmarks.raw_store import records
from tallystick import clock, ids
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.database.migrate import upgrade
from tallystick.events.record import Record
from tallystick.exports import request
from tallystick.exports.exporter import Exporter
from tallystick.ingest.shipments import MOST_EVENTS
from tallystick.ledger import log as ledger_log
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.ledger.tables import logs
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.secret_keys import SecretKeys
from tallystick.store.clients import Bounds
from tallystick.store.events import EventStore
from tallystick.store.reading import stream_all

FORMATS = ("csv", "ndjson", "parquet")
CORPUS = 50_000


def resident_mb() -> float:
    """What the process holds in memory now."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def fill(store: EventStore, scope: Scope, count: int) -> None:
    """The corpus again and again, each time under new ids and later."""
    corpus = records(min(count, CORPUS))
    for first in range(0, count, MOST_EVENTS):
        now = clock.now_us()
        rows = [
            replace_record(corpus[index % len(corpus)], ids.uuid7_bytes(now), index)
            for index in range(first, min(first + MOST_EVENTS, count))
        ]
        store.insert([(scope.org_id, first, rows)], f"bench-{scope.org_id}-{first}")


def replace_record(record: Record, event_id: bytes, index: int) -> Record:
    """The record as another event."""
    return msgspec.structs.replace(record, id=event_id, occurred_at=record.occurred_at + index // CORPUS)


class Peak:
    """The most memory that a block took above what was there before, looked at ten times a second."""

    def __enter__(self) -> "Peak":
        self.before = self.most = resident_mb()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            self.most = max(self.most, resident_mb())


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and megabytes that it took at most."""
    with Peak() as peak:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
    return seconds, peak.most - peak.before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pdf", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as home:
        print(json.dumps(measure(Path(home), asked.events, asked.pdf), indent=2))


def measure(home: Path, count: int, pdf: int) -> dict[str, object]:
    """All figures of one run."""
    database = Database(f"sqlite:///{home / 'tallystick.db'}")
    upgrade(database)
    store = EventStore(f"chdb://{home}/events", Bounds())
    store.open()
    signer = Signer(database, Keyring(SecretKeys("secret"), "bench.example"), home)
    signer.open()
    exporter = Exporter(database, store, Prover(database, signer), home)
    scopes = {size: organization(database, store, f"bench{size}", size) for size in {count, pdf}}
    scope = scopes[count]

    def raw() -> None:
        for _ in stream_all(store, scope, Query(), "desc"):
            pass

    raw()
    seconds, _ = timed(raw)
    raw_rate = count / seconds
    figures: dict[str, object] = {"events": count, "raw_rows_per_second": round(raw_rate)}
    for kind, of in [*((kind, count) for kind in FORMATS), ("pdf", pdf)]:
        taken, more = timed(lambda kind=kind, of=of: make(database, exporter, scopes[of], kind))  # type: ignore[misc]
        figures[kind] = {
            "rows": of, "seconds": round(taken, 1), "rows_per_second": round(of / taken),
            "of_raw": round(of / taken / raw_rate, 2), "memory_growth_mb": round(more),
        }  # fmt: skip
    figures["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    store.close()
    return figures


def organization(database: Database, store: EventStore, slug: str, count: int) -> Scope:
    """One with so many events in the store; its log says that they are there."""
    now = clock.now_us()
    with database.write() as connection:
        made = organizations.create(connection, slug, slug, "enterprise", 3650, now=now)
        ledger_log.create(connection, made.org_id, now=now)
    scope = operator_scope(made.org_id)
    fill(store, scope, count)
    with database.write() as connection:
        connection.execute(update(logs).where(logs.c.org_id == made.org_id).values(stored_end=count))
    return scope


def make(database: Database, exporter: Exporter, scope: Scope, kind: str) -> None:
    """One export, from asking to the finished file."""
    with database.write() as connection:
        one = request.request_export(connection, scope, kind, {}, now=clock.now_us())
        # The log itself stays empty: what is measured reads the store alone.
        size = select_size(connection, scope)
        mine = request.is_export(one.org_id, one.export_id)
        connection.execute(update(request.exports).where(mine).values(position=size))
    assert exporter.step()
    with database.read() as connection:
        made = request.find_export(connection, scope, one.public_id)
    assert (made.state, made.rows) == ("completed", size), made.error
    exporter.path(made).unlink()


def select_size(connection: Connection, scope: Scope) -> int:
    """How many events the store has of the organization."""
    return int(connection.execute(select(logs.c.stored_end).where(logs.c.org_id == scope.org_id)).scalar_one())


if __name__ == "__main__":
    main()
