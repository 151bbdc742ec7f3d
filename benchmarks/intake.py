"""How long intake takes for one event, from the bytes of a request to the frame for the journal.

    python benchmarks/intake.py [--profile]

Prints microseconds per event for requests of 1, 100 and 1,000 realistic events, and how much of it
the steps take that no rewriting here could save: decoding, hashing, encoding.
"""

import argparse
import cProfile
import pstats
import random
import time
from collections.abc import Callable
from functools import partial

import msgspec

from tallystick.clock import now_us, rfc3339
from tallystick.events.incoming import EventInput
from tallystick.events.intake import read_request
from tallystick.merkle.commitment import commit
from tallystick.query.scope import Principal
from tallystick.setting_values import REDACTED_KEYS

KEY = Principal("api_key", "key_01j9zv3k5xf8e9m2q4r6t8w0ya", "ci")
PEOPLE = ("sarah@acme.example", "john@acme.example", "mei@acme.example", "ravi@acme.example")
ACTIONS = ("deployment.failed", "project.file_updated", "user.login", "policy.updated", "workflow.executed")
REDACTED = frozenset(REDACTED_KEYS)
EVENTS = 2000
ROUNDS = 20


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


def body_of(first: int, batch: int, now: int) -> bytes:
    return msgspec.json.encode({"events": [an_event(number, now) for number in range(first, first + batch)]})


def least(step: Callable[[], object]) -> float:
    """Seconds of processor time that one call of `step` takes, at best: what else runs does not count."""
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        step()
        times.append(time.thread_time() - start)
    return min(times)


def microseconds(batch: int) -> float:
    """For one event, in requests of `batch`: each request at its best, since other work can only add to it."""
    now = now_us()

    def record(body: bytes) -> None:
        read_request(body, "application/json", received_at=now, recorded_by=KEY, redacted_keys=REDACTED)

    bodies = [body_of(first, batch, now) for first in range(0, max(EVENTS, batch), batch)]
    return sum(least(partial(record, body)) for body in bodies) / (len(bodies) * batch) * 1e6


def floor(batch: int = 100) -> dict[str, float]:
    """Microseconds for one event of the steps in C that no rewriting of intake would make shorter."""
    now = now_us()
    body = body_of(0, batch, now)
    prepared = read_request(body, "application/json", received_at=now, recorded_by=KEY, redacted_keys=REDACTED)
    records = [one.record for one in prepared]
    decode = msgspec.json.Decoder(dict[str, list[EventInput]]).decode

    def commit_all() -> None:
        for r in records:
            commit(r.id, r.received_at, r.seed, (r.what, r.target, r.who, r.details))

    def encode_all() -> None:
        for r in records:
            msgspec.msgpack.encode(r)

    steps: dict[str, Callable[[], object]] = {
        "decoding": partial(decode, body),
        "commitment": commit_all,
        "frame": encode_all,
    }
    return {name: least(step) / batch * 1e6 for name, step in steps.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true", help="show instead where the time of batches of 100 goes")
    if parser.parse_args().profile:
        with cProfile.Profile() as profile:
            microseconds(100)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    print(f"{len(body_of(1, 100, now_us())) // 100} bytes an event")
    for batch in (1, 100, 1000):
        print(f"requests of {batch:>5}: {microseconds(batch):6.2f} µs an event")
    for name, figure in floor().items():
        print(f"   {name:>11}: {figure:6.2f} of it")


if __name__ == "__main__":
    main()
