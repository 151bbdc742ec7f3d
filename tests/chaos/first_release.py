"""Data of the first release (commit 759de3b), as its server recorded it.

`record` drives a server of that commit through its commands and its API alone. `first_release/installation.tar.xz` is
a data directory that one left, with what it said about it (`first_release_answers`). Where the history of this
repository has the commit, a server of it can record any amount of other data (`checkout`).
"""

import io
import json
import random
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.fixtures.servers import Server
from tests.fixtures.waiting import wait_until

COMMIT = "759de3b"
ROOT = Path(__file__).parents[2]
INSTALLATION = Path(__file__).parent / "first_release" / "installation.tar.xz"
SEED = 759
PERSON = "sarah.lindqvist"
KEPT_DAYS = 3650  # what was purged is older, and all else is younger for years
BIG = ("acme", "globex", "initech")
HOLDING = "acme"  # keeps events of the erased person too, since they are on hold
SMALL = tuple(f"small-{number}" for number in range(5))
SCOPES = ("events:write", "events:read", "exports", "admin")
WAIT_SECONDS = 600


def checkout(folder: Path) -> Path | None:
    """The source of the first release; None where the history does not reach back to it."""
    done = subprocess.run(["git", "archive", COMMIT, "src"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


def unpack(home: Path) -> dict[str, Any]:
    """Put the recorded data directory into a server's home; returns what the server of the first release said."""
    with tarfile.open(INSTALLATION) as archive:
        archive.extractall(home, filter="data")
    said: dict[str, Any] = json.loads((home / "said.json").read_text())
    return said


def pack(server: Server, said: dict[str, Any]) -> None:
    """Make the file that `unpack` reads of what a stopped server left, and what it said."""
    (server.home / "said.json").write_text(json.dumps(said))
    with sqlite3.connect(server.data_dir / "tallystick.db") as database:
        database.execute("UPDATE exports SET expires_at = 4102444800000000")  # a finished export ends after a week
    INSTALLATION.parent.mkdir(exist_ok=True)
    with tarfile.open(INSTALLATION, "w:xz") as archive:
        for name in ("said.json", "data"):
            archive.add(server.home / name, name)


def record(server: Server, events: int) -> dict[str, list[str]]:
    """Record, put some on hold, purge, erase a person, export; returns two keys of each organization."""
    keys: dict[str, list[str]] = {}
    for slug in (*BIG, *SMALL):
        server.command("org", "create", slug, "--retention-days", str(KEPT_DAYS))
        keys[slug] = [_key(server, slug, name) for name in ("first", "second")]
    dice = random.Random(SEED)
    for slug in BIG:
        with server.client(keys[slug][0]) as client:
            if slug == HOLDING:
                ok(client.post("/v1/legal-holds", json={"name": "Case 7", "query": "resource:prod"}))
            _send(client, _events(dice, events // len(BIG)))
    for slug in SMALL:
        with server.client(keys[slug][0]) as client:
            _send(client, _events(dice, 9))
    _purge(server)
    erasures = {slug: _erase(server, *keys[slug]) for slug in BIG}
    for slug, path in erasures.items():
        with server.client(keys[slug][0]) as client:
            _until(client, path, "completed")
            for kind in ("csv", "ndjson", "bundle"):
                make_export(client, kind)
            _report(client)
    return keys


def _key(server: Server, slug: str, name: str) -> str:
    scopes = [argument for scope in SCOPES for argument in ("--scope", scope)]
    return server.command("key", "create", "--org", slug, "--name", name, *scopes).stdout.strip()


def ok(answer: httpx.Response) -> Any:
    """The content of a successful answer."""
    assert answer.is_success, answer.text
    return answer.json()


def _events(dice: random.Random, count: int) -> list[dict[str, Any]]:
    now = time.time()
    made = []
    for number in range(count):
        days = dice.choice((0, 3, 20, 40, 400, 800, 4000, 4400))
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 86400 * days - number))
        is_hers = number % 11 == 0
        actor = {"id": f"usr_{dice.randrange(3)}", "email": "john@acme.com"}
        event = {
            "action": dice.choice(("project.updated", "user.login", "invoice.paid")),
            "timestamp": at,
            "status": dice.choice(("success", "failed")),
            "actor": {"email": f"{PERSON}@acme.com", "name": "Sarah"} if is_hers else actor,
            "resource": {"type": "service", "name": dice.choice(("api", "Straße", "prod"))},
            "context": {"ip_address": f"192.0.{dice.randrange(2, 4)}.{dice.randrange(5)}"},
            "metadata": {"n": dice.randrange(20), "deep": {"list": ["x", number]}},
        }
        made.append(event)
    return made


def _send(client: httpx.Client, events: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(events), 1000):
        ok(client.post("/v1/audit-logs?wait=searchable", json={"events": events[start : start + 1000]}))


def _purge(server: Server) -> None:
    """Let the day's purge begin now, and wait for its end."""
    server.stop()
    with sqlite3.connect(server.data_dir / "tallystick.db") as database:
        database.execute("DELETE FROM purges")
    server.start()

    def has_ended() -> bool:
        with sqlite3.connect(server.data_dir / "tallystick.db") as database:
            (left,) = database.execute("SELECT count(*) FROM prunings").fetchone()
            (done,) = database.execute("SELECT count(*) FROM purges").fetchone()
        return not left and done >= len(BIG) + len(SMALL)

    wait_until(has_ended, WAIT_SECONDS)


def _erase(server: Server, key: str, second_key: str) -> str:
    """Ask for the erasure of the person and confirm it with the second key; returns its path."""
    with server.client(key) as client, server.client(second_key) as other:
        wanted = {"subject": {"email": f"{PERSON}@acme.com"}, "reason": "Ticket 12"}
        asked = ok(client.post("/v1/erasures", json=wanted))
        path = f"/v1/erasures/{asked['id']}"
        _until(client, path, "ready")
        ok(other.post(f"{path}/confirm"))
    return path


def _until(client: httpx.Client, path: str, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def has_state() -> bool:
        found.update(ok(client.get(path)))
        return state in (found.get("state"), found.get("status"))

    wait_until(has_state, WAIT_SECONDS, detail=lambda: found)
    return found


def make_export(client: httpx.Client, kind: str) -> str:
    """Export the events of one user, and wait for the file; returns the export's id."""
    asked = ok(client.post("/v1/exports", json={"format": kind, "filter": {"user": "usr_1"}}))
    return str(_until(client, f"/v1/exports/{asked['id']}", "completed")["id"])


def _report(client: httpx.Client) -> None:
    framework = ok(client.get("/v1/frameworks"))["data"][0]["id"]
    asked = ok(client.post("/v1/reports", json={"framework": framework, "start": "2020-01-01", "end": "2026-11-29"}))
    _until(client, f"/v1/reports/{asked['id']}", "completed")
