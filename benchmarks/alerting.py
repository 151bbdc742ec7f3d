"""`python -m benchmarks.alerting`: from a recorded event to the webhook received, and a back-test of what is stored.

200 rules in 50 organizations at a steady pace; `--older` events lie there before, in one of them.
"""

import argparse
import itertools
import json
import os
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context

import httpx

from benchmarks import corpus
from benchmarks.load import request, send_all, send_paced
from benchmarks.server import Measured
from tallystick.access import keys, organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.destinations.approval import approve
from tallystick.ledger import log

ORGANIZATIONS, RULES = 50, 4
SCOPES = ("events:write", "events:read", "alerts")
BATCH = 40
CONNECTIONS = 8
SETTLE_SECONDS = 20


@contextmanager
def receiver(arrived: dict[str, float]) -> Iterator[str]:
    """A webhook; when the events of each alert arrived."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            now = time.perf_counter()
            for event_id in json.loads(body)["data"]["event_ids"]:
                arrived.setdefault(event_id, now)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


def organizations_of(server: Measured, url: str) -> list[httpx.Client]:
    """Clients of the organizations, each with its rules and a destination."""
    database = Database(f"sqlite:///{server.data_dir / 'tallystick.db'}")
    clients = []
    for number in range(ORGANIZATIONS):
        with database.write() as connection:
            made = organizations.create(connection, f"b{number}", f"B{number}", "enterprise", 3650, now=now_us())
            log.create(connection, made.org_id, now=now_us())
            key = keys.create_key(connection, operator_scope(made.org_id), "bench", SCOPES, now=now_us())
        client = httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        place = client.post("/v1/destinations", json={"kind": "webhook", "settings": {"url": url}}).json()["id"]
        with database.write() as connection:
            approve(connection, operator_scope(made.org_id), place, None, now=now_us())
        rules = [
            {"name": "Trigger", "query": "action:bench.trigger", "destinations": [place]},
            {"name": "Guessing", "query": "action:user.login_failed", "count": 50, "window_seconds": 60,
             "group_by": "user"},
            {"name": "Deletions", "query": "action:*deleted", "count": 500, "window_seconds": 300, "group_by": "user"},
            {"name": "Words", "query": "encryption status:failed", "count": 1000, "window_seconds": 60},
        ]  # fmt: skip
        for rule in rules[:RULES]:
            client.post("/v1/alert-rules", json=rule).raise_for_status()
        clients.append(client)
    database.close()
    return clients


def main() -> None:
    """Prints figures of this run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerting", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--pace", type=int, default=2000, help="events a second")
    parser.add_argument("--alerts", type=int, default=10, help="alerts a second")
    parser.add_argument("--older", type=int, default=0, help="events recorded before")
    given = parser.parse_args()
    os.environ["TALLYSTICK_ALLOWED_TARGETS"] = "127.0.0.0/8"
    server, arrived = Measured(), {}
    try:
        with receiver(arrived) as url:
            clients = organizations_of(server, url)
            if given.older:
                load_older(server, clients[0], given.older)
            waits, pace = measured(server.port, clients, given, arrived)
        cut = statistics.quantiles(waits, n=100)
        print(f"pace {pace:,.0f} events/s, {ORGANIZATIONS * RULES} rules in {ORGANIZATIONS} organizations")
        print(f"recorded to received: p50 {statistics.median(waits) * 1000:.0f} ms, p95 {cut[94] * 1000:.0f} ms, "
              f"worst {max(waits) * 1000:.0f} ms, {len(waits)} alerts")  # fmt: skip
        backtests(clients[0])
    finally:
        server.stop()


def load_older(server: Measured, client: httpx.Client, number: int) -> None:
    """Record so many events of the last months in one organization; return when all are judged."""
    key = client.headers["Authorization"].removeprefix("Bearer ")
    began = time.perf_counter()
    events = corpus.events(number)
    while some := list(itertools.islice(events, 100_000)):
        messages = [request("POST", "/v1/audit-logs", key, body) for body in corpus.bodies(some, 1000)]
        send_all(server.port, messages, 4)
    print(f"{number:,} older events recorded in {time.perf_counter() - began:.0f} s", flush=True)
    behind = ("SELECT count(*) FROM logs LEFT JOIN alert_positions USING (org_id) "
              "WHERE size > coalesce(next_index, 0) OR size > stored_end + 1000")  # fmt: skip
    with closing(sqlite3.connect(f"file:{server.data_dir}/tallystick.db?mode=ro", uri=True)) as database:
        while database.execute(behind).fetchone()[0]:
            time.sleep(0.2)
    print(f"and judged after {time.perf_counter() - began:.0f} s", flush=True)
    time.sleep(SETTLE_SECONDS)  # the store goes on merging


def measured(
    port: int, clients: list[httpx.Client], given: argparse.Namespace, arrived: dict[str, float]
) -> tuple[list[float], float]:
    """From the answer to a request to the arrival of its alert; and the pace that was held."""
    number = given.seconds * given.pace // BATCH
    every = max(1, given.pace // BATCH // given.alerts)
    keys = [client.headers["Authorization"].removeprefix("Bearer ") for client in clients]
    raising = range(0, number, every)
    messages = [message(keys[one % len(keys)], alert=one in raising) for one in range(number)]
    # In a process of its own: what sends is not to keep what receives waiting.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as sender:
        taken = sender.submit(send_paced, port, messages, BATCH / given.pace, CONNECTIONS).result()
    pace = number * BATCH / (max(at for at, _ in taken) - min(at for at, _ in taken))
    recorded = {json.loads(body)["events"][-1]["id"]: at for at, body in (taken[one] for one in raising)}
    deadline = time.perf_counter() + 60
    while recorded.keys() - arrived.keys() and time.perf_counter() < deadline:
        time.sleep(0.1)
    lost = recorded.keys() - arrived.keys()
    if lost:
        raise RuntimeError(f"{len(lost)} alerts did not arrive")
    return [arrived[one] - at for one, at in recorded.items()], pace


def message(key: str, *, alert: bool) -> bytes:
    """A batch of an organization, whose last event raises an alert or not."""
    events = [json.loads(one) | {"timestamp": None, "external_id": None} for one in corpus.events(BATCH - 1)]
    last = {"action": "bench.trigger" if alert else "bench.nothing"}
    return request("POST", "/v1/audit-logs", key, json.dumps({"events": [*events, last]}).encode())


def backtests(client: httpx.Client) -> None:
    """How long a back-test of everything takes."""
    for rule in (
        {"query": "action:user.login_failed", "count": 5, "window_seconds": 600, "group_by": "user",
         "cooldown_seconds": 0},
        {"query": "", "count": 20, "window_seconds": 600, "group_by": "user"},
        {"query": "action:*deleted", "count": 20, "window_seconds": 300, "group_by": "user"},
    ):  # fmt: skip
        began = time.perf_counter()
        asked = rule | {"start": "2025-11-01"}
        found = client.post("/v1/alert-rules/backtest", json=asked)
        said = found.json()
        if found.status_code == 400:  # it matches more than is looked at
            print(f"back-test of {rule['query'] or 'everything'!r}: {said['detail']}")
            continue
        print(f"back-test of {rule['query'] or 'everything'!r}: {said['matching_events']:,} events match, "
              f"{said['firings']:,} firings, {time.perf_counter() - began:.2f} s")  # fmt: skip


if __name__ == "__main__":
    main()
