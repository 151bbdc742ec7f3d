"""How long intake takes for one event, from the bytes of a request to the frame for the journal.

    python benchmarks/intake.py [--profile]

Prints microseconds per event for requests of 1, 100 and 1,000 realistic events, and how much of it
the steps take that no rewriting here could save: decoding, hashing, encoding.
"""

import argparse
import cProfile
import os
import random
import time

import msgspec

from tallystick.clock import now_us, rfc3339
from tallystick.events.incoming import EventInput
from tallystick.events.intake import read_request
from tallystick.merkle.commitment import commit
from tallystick.query.scope import Principal
from tallystick.settings import REDACTED_KEYS

KEY = Principal("api_key", "key_01j9zv3k5xf8e9m2q4r6t8w0ya", "ci")
PEOPLE = ("sarah@acme.example", "john@acme.example", "mei@acme.example", "ravi@acme.example")
ACTIONS = ("deployment.failed", "project.file_updated", "user.login", "policy.updated", "workflow.executed")
ROUNDS = 7


def an_event(number: int, now: int) -> dict[str, object]:
    """About 750 bytes with eight values in the details, as an application would send it."""
    chance = random.Random(number)
    person = chance.choice(PEOPLE)
    return {
        "action": chance.choice(ACTIONS),
        "description": "terraform apply",
        "timestamp": rfc3339(now - chance.randrange(60_000_000)),
        "actor": {
            "type": "user",
            "id": f"usr_{chance.randrange(9999)}",
            "email": person,
            "name": person.partition("@")[0],
        },
        "resource": {"type": "project", "id": f"prj_{chance.randrange(999)}", "name": "api-infrastructure"},
        "context": {
            "ip_address": f"10.0.{chance.randrange(8)}.{chance.randrange(250)}",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
            "request_id": f"req_{chance.getrandbits(64):016x}",
            "session_id": f"ses_{chance.getrandbits(64):016x}",
            "source": "api",
        },
        "changes": {
            "error": "Policy violation: S3 encryption required",
            "resources_planned": chance.randrange(50),
            "resources_applied": 2,
        },
        "request": {"deployment_id": f"dep_{number}", "trigger": "manual"},
        "response": {"status": 422},
        "metadata": {"team": "platform", "region": "eu-central-1"},
    }


def best(batch: int, total: int = 4000) -> float:
    """Microseconds per event in requests of `batch`: the best of ROUNDS, since other work only ever adds."""
    now = now_us()
    redacted = frozenset(REDACTED_KEYS)
    count = max(total // batch, 1)
    bodies = [
        msgspec.json.encode({"events": [an_event(n * batch + i, now) for i in range(batch)]}) for n in range(count)
    ]
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for body in bodies:
            read_request(body, "application/json", received_at=now, recorded_by=KEY, redacted_keys=redacted)
        times.append(time.perf_counter() - start)
    return min(times) / (count * batch) * 1e6


def floor(batch: int = 100) -> dict[str, float]:
    """Microseconds per event of the parts in C that intake is made of."""
    now = now_us()
    body = msgspec.json.encode([an_event(i, now) for i in range(batch)])
    prepared = read_request(body, "application/json", received_at=now, recorded_by=KEY, redacted_keys=frozenset())
    records = [one.record for one in prepared]
    decode = msgspec.json.Decoder(list[EventInput]).decode
    steps = {
        "decode": lambda: decode(body),
        "commit": lambda: [commit(r.id, r.received_at, r.seed, (r.what, r.target, r.who, r.details)) for r in records],
        "frame": lambda: [msgspec.msgpack.encode(r) for r in records],
    }
    figures = {}
    for name, step in steps.items():
        times = []
        for _ in range(ROUNDS * 10):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        figures[name] = min(times) / batch * 1e6
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--profile", action="store_true", help="show where the time of batches of 100 goes")
    if arguments.parse_args().profile:
        cProfile.runctx("best(100)", globals(), {}, sort="tottime")
        return
    size = len(msgspec.json.encode(an_event(1, now_us())))
    print(f"{size} bytes an event, {os.cpu_count()} processors")
    for batch in (1, 100, 1000):
        print(f"batches of {batch:>5}: {best(batch):6.2f} µs an event")
    for name, figure in floor().items():
        print(f"  of it {name:>7}: {figure:6.2f}")


if __name__ == "__main__":
    main()
