"""Exports driven step by step, and read back by libraries that are not ours."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tallystick import clock
from tallystick.access.audit import Caller
from tallystick.exports import request
from tallystick.exports.exporter import Exporter
from tallystick.exports.request import Export
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.query.scope import Scope
from tallystick.secret_keys import SecretKeys
from tests.fixtures.spine import Spine

# Each with something that a format could trip over.
AWKWARD = [
    "plain", "two\nlines", "carriage\rreturn", 'a "quote"', "comma, comma", "=1+1", "+49 30", "-2+3", "@SUM(A1)",
    "\tbehind a tab", "smile 😀", "東京 日本語", "Ελληνικά", "Кириллица", "עברית abc", "العربية", "\u202ereversed",
    "x" * 10_000,
]  # fmt: skip


def awkward() -> list[dict[str, Any]]:
    """An event for each: in the name, in the resource, and in the details."""
    return [
        {
            "action": "thing.done" if place % 2 else "thing.failed",
            "status": "success" if place % 2 else "failed",
            "timestamp": f"2024-01-15T10:{place:02}:00.000{place:03}Z",
            "actor": {"id": f"usr_{place}", "name": text[:200].replace("\r", " ").replace("\n", " ")},
            "resource": {"type": "thing", "name": text[:1000]},
            "changes": {"text": text},
            "metadata": {"number": place, "deep": {"list": [1, text[:50]]}},
            "external_id": f"ext-{place}",
        }
        for place, text in enumerate(AWKWARD)
    ]


def exporter(spine: Spine, data_dir: Path, **more: Any) -> Exporter:
    """One whose steps are called by hand."""
    data_dir.mkdir(exist_ok=True)
    signer = Signer(spine.database, Keyring(SecretKeys("secret"), "test.example"), data_dir)
    signer.open()
    return Exporter(spine.database, spine.store, Prover(spine.database, signer), data_dir, **more)


def ask(spine: Spine, scope: Scope, kind: str = "csv", **given: Any) -> str:
    """The id of a new export."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    caller = Caller(address="192.0.2.1", peer="192.0.2.1", source="api")
    with spine.database.write() as connection:
        return request.request_export(connection, scope, kind, listed, now=clock.now_us(), caller=caller).public_id


def show(spine: Spine, scope: Scope, public_id: str) -> Export:
    with spine.database.read() as connection:
        return request.find_export(connection, scope, public_id)


def made(spine: Spine, scope: Scope, work: Exporter, kind: str, **given: Any) -> bytes:
    """The file of an export of what the log holds now."""
    public_id = ask(spine, scope, kind, **given)
    spine.ship()
    assert work.step()
    one = show(spine, scope, public_id)
    assert one.state == "completed", one.error
    content = work.path(one).read_bytes()
    assert (len(content), one.progress) == (one.bytes, 1000)
    return content


def rows_of(kind: str, content: bytes) -> list[dict[str, Any]]:
    """The events of a file: what every one of these formats says of each."""
    if kind == "csv":
        found = csv.DictReader(io.StringIO(content.decode(), newline=""))
        return [
            {
                "timestamp": row["timestamp"],
                "user": row["user_email"],
                "action": row["action"],
                "resource": row["resource"],
                "status": row["status"],
                "changes": json.loads(row["details"] or "{}").get("changes"),
            }
            for row in found
        ]
    if kind == "parquet":
        return [
            {
                "timestamp": row["timestamp"].isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "user": row["actor_email"] or row["actor_name"] or row["actor_id"],
                "action": row["action"],
                "resource": row["resource_name"] or row["resource_id"],
                "status": row["status"],
                "changes": json.loads(row["changes"]) if row["changes"] else None,
            }
            for row in pq.read_table(io.BytesIO(content)).to_pylist()
        ]
    events = json.loads(content) if kind == "json" else [json.loads(line) for line in content.splitlines()]
    return [
        {
            "timestamp": event["timestamp"],
            "user": _named(event["actor"]),
            "action": event["action"],
            "resource": _named(event.get("resource", {})),
            "status": event["status"],
            "changes": event.get("changes"),
        }
        for event in events
    ]


def _named(thing: dict[str, str]) -> str:
    return thing.get("email") or thing.get("name") or thing.get("id") or ""


def as_role(scope: Scope, **more: Any) -> Scope:
    """The same organization for somebody else."""
    return replace(scope, **more)
