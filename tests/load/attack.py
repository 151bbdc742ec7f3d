"""Attacks a server in threads as one organization, and records beside it as another."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.fixtures.servers import Server
from tests.fixtures.sizes import FULL, size
from tests.fixtures.waiting import wait_until

RECORD_SECONDS = 10
ANSWER_SECONDS = 120  # within which every request of the attack is answered, in whatever way
MEASURED = size(10, 100)  # events of the bystander, once without the attack and once beside it
# Between two events beside the attack, as keys are looked up anew every five seconds; and between a refusal and the
# attacker's next try.
PAUSE_SECONDS = 0.6
RATIO = 5
LEAST_BOUND = 0.25
REST_SECONDS = 60
MEMORY_BYTES = 300 << 20
SEED = 16
BATCH = 500
REFUSALS = (429, 503)
LOWEST_PRIORITY = 19

Attack = Callable[[httpx.Client, int], httpx.Response | None]
"""Sends one request (or several) with mallory's client; the number counts the calls. Returns the answer to check."""


@dataclass
class Outcome:
    """What happened: statuses of the attack's answers, and the bystander's seconds for each event."""

    statuses: Counter[int] = field(default_factory=Counter)
    quiet: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        quiet, beside = (f"{percentile(seconds) * 1000:.0f} ms" for seconds in (self.quiet, self.beside))
        return f"answers {dict(self.statuses)}, recording at p95: quiet {quiet}, attacked {beside}"


def percentile(seconds: list[float], share: float = 0.95) -> float:
    """The time within which this share of the requests was answered."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


class Siege:
    """A server, the attacker's key and the bystander's."""

    def __init__(self, server: Server, *scopes: str) -> None:
        """`scopes`: of mallory's key, beside reading and writing events."""
        self.server = server
        self.mallory = server.key(server.organization("mallory"), "events:write", "events:read", *scopes)
        self.bystander = server.key(server.organization("bystander"), "events:write", "events:read", "alerts")
        self._calls = 0
        with server.client(self.bystander) as client:
            client.post("/v1/alert-rules", json={"name": "Alarm", "query": "action:alarm.raised"}).raise_for_status()

    def record_events(self, count: int, *, batch: int = BATCH, **fields: object) -> None:
        """Record `count` events as mallory, and wait until queries see them. `{n}` in a text is the event's number."""
        with self.server.client(self.mallory) as client:
            for first in range(0, count, batch):
                numbers = range(first, min(first + batch, count))
                events = [{"action": "project.updated"} | _numbered(fields, number) for number in numbers]
                client.post("/v1/audit-logs", json={"events": events}).raise_for_status()
            last = {"action": "project.viewed"}
            client.post("/v1/audit-logs?wait=searchable", json=last).raise_for_status()

    def withstand(self, attack: Attack, *, at_once: int) -> Outcome:
        """Repeat the attack in `at_once` threads until the bystander has recorded its events; check all answers."""
        outcome = Outcome(quiet=self._record_as_bystander(MEASURED))
        if FULL:
            time.sleep(REST_SECONDS)  # what recording needed for the attack's events comes back first
        before, ended = resident_bytes(self.server), threading.Event()
        with ThreadPoolExecutor(at_once) as threads:
            attackers = [threads.submit(self._repeat, attack, ended, outcome) for _ in range(at_once)]
            try:
                outcome.beside += self._record_as_bystander(MEASURED, pause=PAUSE_SECONDS)
                self.assert_alert_arrives()
            finally:
                ended.set()
            for attacker in attackers:
                attacker.result()
        if FULL:
            self._assert_full_size(outcome, before)
        return outcome

    def assert_alert_arrives(self) -> None:
        """Record an event that the bystander's rule matches; its alert is there within RECORD_SECONDS."""
        with self.server.client(self.bystander) as client:
            client.timeout = httpx.Timeout(RECORD_SECONDS)
            answer = client.post("/v1/audit-logs", json={"action": "alarm.raised"}).raise_for_status().json()
            event = answer["events"][0]["id"]
            wait_until(lambda: event in client.get("/v1/alerts", params={"limit": 1000}).text, RECORD_SECONDS)

    def _repeat(self, attack: Attack, ended: threading.Event, outcome: Outcome) -> None:
        # An attacker has machines of its own: here it gets the processor time that server and bystander leave.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        with self.server.client(self.mallory) as client:
            client.timeout = httpx.Timeout(ANSWER_SECONDS)
            while not ended.is_set():
                self._calls += 1
                answer = attack(client, self._calls)
                if answer is None:
                    continue
                outcome.statuses[answer.status_code] += 1
                assert answer.is_success or answer.status_code in REFUSALS, answer.text[:500]
                if answer.status_code in REFUSALS:
                    assert int(answer.headers["Retry-After"]) >= 1
                    ended.wait(PAUSE_SECONDS)

    def _record_as_bystander(self, count: int, pause: float = 0.0) -> list[float]:
        command = [sys.executable, "-m", "tests.load.bystander", self.server.url]
        done = subprocess.run(
            [*command, str(count), str(pause), str(RECORD_SECONDS)],
            input=self.bystander, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        seconds: list[float] = json.loads(done.stdout)
        return seconds

    def _assert_full_size(self, outcome: Outcome, before: int) -> None:
        peak = resident_bytes(self.server)
        time.sleep(REST_SECONDS)
        after = resident_bytes(self.server)
        memory = ", ".join(f"{moment} {number >> 20} MB" for moment, number in
                           (("before", before), ("at the end", peak), ("after a rest", after)))  # fmt: skip
        print(f"seed {SEED}: {outcome}; memory {memory}")
        assert percentile(outcome.beside) <= max(RATIO * percentile(outcome.quiet), LEAST_BOUND)
        assert after <= before + MEMORY_BYTES


def resident_bytes(server: Server) -> int:
    """The server's resident memory."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def _numbered(fields: dict[str, object], number: int) -> dict[str, object]:
    return {
        name: _numbered(value, number) if isinstance(value, dict) else str(value).replace("{n}", str(number))
        for name, value in fields.items()
    }
