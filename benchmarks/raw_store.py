"""The event store alone: the same rows through the same insert, without server, journal or ledger.

Run as a process of its own, since one process opens one store: `python -m benchmarks.raw_store N`.
"""

import json
import sys
import tempfile
import time
from uuid import uuid4

from benchmarks.corpus import bodies, events
from tallystick import clock
from tallystick.events.intake import read_request
from tallystick.events.record import Record
from tallystick.ingest.shipments import MOST_EVENTS
from tallystick.query.scope import Principal
from tallystick.setting_values import REDACTED_KEYS
from tallystick.store.events import EventStore

MEASURED_BY = Principal("api_key", "key_bench", "bench")


def records(count: int) -> list[Record]:
    """Prepared records."""
    made: list[Record] = []
    for body in bodies(list(events(count)), 1000):
        prepared = read_request(
            body, "application/json", received_at=clock.now_us(), recorded_by=MEASURED_BY,
            redacted_keys=frozenset(REDACTED_KEYS),
        )  # fmt: skip
        made += [one.record for one in prepared]
    return made


def main() -> None:
    """Insert N events in shipments of the usual size; print rows a second as JSON."""
    count = int(sys.argv[1])
    rows = records(count)
    org_id = uuid4()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        store = EventStore(f"chdb://{folder}/events")
        store.open()
        began = time.perf_counter()
        for start in range(0, count, MOST_EVENTS):
            store.insert([(org_id, start, rows[start : start + MOST_EVENTS])], f"{start}")
        seconds = time.perf_counter() - began
        store.close()
    print(json.dumps({"events": count, "seconds": seconds, "per_second": count / seconds}))


if __name__ == "__main__":
    main()
