"""A log with events, bundles of it, and what an attacker does to them."""

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.events.record import Record, StoredEvent
from tallystick.ledger import log as ledger
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.merkle.commitment import part_commitments, salts
from tallystick.query.scope import TALLYSTICK, Principal
from tallystick.search.paging import as_stored_event
from tallystick.secret_keys import SecretKeys
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key, SignedCheckpoint
from tallystick.verify.report import Report
from tests.fixtures.reserved_actions import unreserved_actions

NOW = 1_705_329_045_120_000
SENDER = Principal("api_key", "key_1", "ci")
SECRET = "s" * 64
Line = dict[str, Any]


class Trail:
    """An organization whose log is appended to step by step; its events are kept in a list."""

    def __init__(self, database: Database, data_dir: Path, slug: str = "acme") -> None:
        self.database = database
        with database.write() as connection:
            org_id = organizations.create(connection, slug, now=NOW, retention_days=365).org_id
            ledger.create(connection, org_id, now=NOW)
        self.scope = operator_scope(org_id)
        self.signer = Signer(database, Keyring(SecretKeys(SECRET), "audit.example.com"), data_dir)
        self.signer.open()
        self.prover = Prover(database, self.signer)
        self.writer = BundleWriter(database, self.prover)
        self.events: list[StoredEvent] = []

    @property
    def keys(self) -> list[Key]:
        return [Key.read(line) for line in self.prover.vkeys(self.scope)]

    def record(self, *events: Line, by: Principal = SENDER, at: int = NOW) -> int:
        """Record these events; the index of the last."""
        inputs = [EventInput(**event) for event in events]
        with unreserved_actions():
            prepared = prepare(inputs, received_at=at, recorded_by=by, redacted_keys=frozenset())
        self._append([one.record for one in prepared])
        return len(self.events) - 1

    def fill(self, count: int) -> None:
        """So many ordinary events."""
        self.record(*[ordinary(len(self.events) + number) for number in range(count)])

    def own(self, action: str, at: int = NOW, **details: Any) -> int:
        """An action of Tallystick's own; its index."""
        return self.record({"action": action, **details}, by=TALLYSTICK, at=at)

    def pruned(self, indexes: str, before: str, at: int = NOW + 400 * DAY_US) -> int:
        """The record of a purge."""
        return self.own("audit_log.pruned", at, metadata={"indexes": indexes, "before": before})

    def lost(self, indexes: str) -> int:
        """The record of events that the server has lost."""
        return self.own("audit_log.events_lost", metadata={"indexes": indexes})

    def erased(self, indexes: str, parts: str) -> int:
        """The record of an erasure."""
        return self.own("audit_log.subject_erased", metadata={"indexes": indexes, "parts": parts, "reason": "asked"})

    def _append(self, records: Sequence[Record]) -> None:
        with self.database.write() as connection:
            ledger.append(connection, ledger.lock(connection, self.scope.org_id), [one.entry for one in records])
        self.events += [as_stored_event(index, record) for index, record in enumerate(records, len(self.events))]

    def bundle(
        self, first: int = 0, end: int | None = None, *, without: Iterable[int] = (), records: Iterable[int] = ()
    ) -> bytes:
        """A bundle of a range; `without` are events that are gone."""
        end = len(self.events) if end is None else end
        gone = set(without)
        events = [event for event in self.events[first:end] if event.index not in gone]
        return self._written(Selection(first, end), events, records)

    def filtered(self, *indexes: int) -> bytes:
        """A bundle of some events."""
        return self._written(Selection(filter={"q": "some"}), [self.events[index] for index in indexes], ())

    def _written(self, selection: Selection, events: list[StoredEvent], records: Iterable[int]) -> bytes:
        target = io.BytesIO()
        blocks = (events[start : start + 100] for start in range(0, len(events), 100))
        self.writer.write(target, self.scope, selection, blocks, [self.events[index] for index in records])
        return target.getvalue()

    def check(self, bundle: bytes, older: SignedCheckpoint | None = None, keys: Sequence[Key] | None = None) -> Report:
        """What the verifier says of a bundle."""
        report = Report("bundle.zip")
        check_bundle(io.BytesIO(bundle), self.keys if keys is None else keys, report, older)
        return report


def ordinary(number: int) -> Line:
    return {
        "action": "deployment.failed",
        "resource": {"type": "project", "name": f"api-{number}"},
        "changes": {"number": number, "text": 'quotes " and \\ and ü'},
    }


def found(report: Report) -> dict[str, str]:
    """The categories that are not empty."""
    return {category: str(ranges) for category, ranges in report.found.items() if ranges}


def rewrite(bundle: bytes, **edits: Callable[[bytes], bytes]) -> bytes:
    """The bundle with files changed (`events_ndjson=…`), and a manifest that agrees with them again."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as old:
        files = {name: old.read(name) for name in old.namelist()}
    for name, edit in edits.items():
        files[name.replace("_", ".")] = edit(files[name.replace("_", ".")])
    manifest = json.loads(files["manifest.json"])
    if "manifest_json" not in edits:
        for name in manifest["files"]:
            manifest["files"][name] = {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
        files["manifest.json"] = json.dumps(manifest).encode()
    return zipped(files)


def zipped(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        for name, content in files.items():
            new.writestr(name, content)
    return target.getvalue()


def read(bundle: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(bundle)) as opened:
        return opened.read(name)


def on_lines(edit: Callable[[list[Line]], object]) -> Callable[[bytes], bytes]:
    """An edit of the lines of events.ndjson, as objects in a list."""

    def apply(content: bytes) -> bytes:
        lines = [json.loads(line) for line in content.splitlines()]
        edit(lines)
        return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)

    return apply


def erase(line: Line, event: StoredEvent, *parts: str) -> None:
    """Take these parts out of a line, as an erasure leaves it."""
    names = ("what", "target", "who", "details")
    commitments = part_commitments(event.seed, (event.what, event.target, event.who, event.details))
    del line["seed"]
    line["salts"] = {
        name: b64encode(salt).decode() for name, salt in zip(names, salts(event.seed), strict=True) if name not in parts
    }
    line["commitments"] = {
        name: b64encode(one).decode() for name, one in zip(names, commitments, strict=True) if name in parts
    }
    for part in parts:
        line[part] = None
