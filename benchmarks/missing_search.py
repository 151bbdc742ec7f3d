"""How long a search for missing events takes, and how much memory, over one log of tens of millions of rows.

`python -m benchmarks.missing_search` lets the engine make the rows itself, removes some, and searches twice: over a
log with one hole of a tenth of it, and over one that lacks rows in many blocks, which are read index by index.
"""

import argparse
import json
import os
import resource
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import update

from tallystick.access import organizations
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.database.migrate import upgrade
from tallystick.integrity.missing_events import MissingEvents, find_and_save
from tallystick.ledger import log
from tallystick.ledger.tables import logs
from tallystick.store.clients import Bounds
from tallystick.store.events import EventStore

AT_ONCE = 1_000_000
MAKE = """INSERT INTO events (org_id, seq, id, occurred_at, received_at, seed, what, target, who, details, action)
SELECT {org:UUID}, number, toUUID('00000000-0000-7000-8000-000000000000'), toDateTime64('2024-01-01', 6) + number,
toDateTime64('2024-01-01', 6) + number, toFixedString('', 16), '{}', '{}', '{}', '{}', 'user.login'
FROM numbers({first:UInt64}, {count:UInt64})"""


def _in_process(act: Callable[[], object]) -> None:
    """Run it in a process of its own: so the engine's threads end with it, and its peak of memory is its own."""
    if (child := os.fork()) == 0:
        try:
            act()
            os._exit(0)
        except Exception:
            traceback.print_exc()
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise SystemExit("a part of the benchmark failed")


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Place:
    """A scratch installation: a control database and an event store, which one process at a time opens."""

    def __init__(self, home: Path, rows: int) -> None:
        self._home = home
        self._rows = rows

    def _open(self) -> tuple[Database, EventStore]:
        database = Database(f"sqlite:///{self._home / 'tallystick.db'}")
        upgrade(database)
        store = EventStore(f"chdb://{self._home / 'events'}", Bounds())
        store.open()
        return database, store

    def make(self) -> None:
        """Make an organization whose log has all rows stored."""
        database, store = self._open()
        with database.write() as connection:
            org_id = organizations.create(connection, "acme", "Acme", now=now_us()).org_id
            log.create(connection, org_id, now=now_us())
            values = {"size": self._rows, "stored_end": self._rows}
            connection.execute(update(logs).where(logs.c.org_id == org_id).values(values))
        for first in range(0, self._rows, AT_ONCE):
            count = min(AT_ONCE, self._rows - first)
            store.change(MAKE, {"org": str(org_id), "first": first, "count": count})

    def lose(self, condition: str) -> None:
        """Delete the rows that a condition selects."""
        _database, store = self._open()
        store.delete(condition, {})

    def search(self, name: str) -> None:
        """Find what is missing; prints the figures."""
        database, store = self._open()
        (org_id,) = store.holdings()
        before, began = _memory_mb(), time.monotonic()
        MissingEvents(database, store).open()
        opened = time.monotonic() - began
        gaps = find_and_save(database, store, org_id, by="benchmark")
        figures = {
            "case": name,
            "rows": self._rows,
            "start_seconds": round(opened, 2),
            "search_seconds": round(time.monotonic() - began - opened, 2),
            "missing": sum(gap.events for gap in gaps),
            "ranges": len(gaps),
            "memory_before_mb": round(before),
            "memory_peak_mb": round(_memory_mb()),
        }
        print(json.dumps(figures), flush=True)


def main() -> None:
    """Read the options, measure, print a line of JSON for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as home:
        place = Place(Path(home), rows)
        _in_process(place.make)
        _in_process(lambda: place.search("nothing is missing"))
        _in_process(lambda: place.lose(f"seq >= {rows // 10} AND seq < {rows // 5}"))
        _in_process(lambda: place.search("one hole of a tenth"))
        _in_process(lambda: place.lose("seq % 100000 = 7"))
        _in_process(lambda: place.search("and a row of each hundred thousand"))


if __name__ == "__main__":
    main()
