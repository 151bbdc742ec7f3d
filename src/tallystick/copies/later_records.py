"""What was decided after the moment that is restored, and counts all the same: purges and holds.

Erasures have a list of their own. The newest generation holds all of it: its full copy the purges until then, its
batches the records of later ones, its newest snapshot the holds.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy import Connection, insert, select

from tallystick.access import organizations
from tallystick.backup import control_database
from tallystick.backup.manifest import FILE, BackupManifest
from tallystick.copies.batch_copies import decode_copies
from tallystick.copies.generations import FULL, Generation
from tallystick.copies.snapshot import unpack_snapshot
from tallystick.destinations.file_storage import FileStorage
from tallystick.events.record import Record
from tallystick.ingest.commit import commit
from tallystick.journal.batches import decode_batch
from tallystick.ledger import log as ledger_log
from tallystick.ledger.tables import logs
from tallystick.query.own_records import is_own_record
from tallystick.retention.index_set import IndexSet, Range, parse_ranges
from tallystick.retention.purge import announce_again
from tallystick.retention.tables import legal_holds, prunings, purged_indexes

PURGES = (purged_indexes.name, prunings.name)


def read_later_purges(
    storage: FileStorage, newest: Generation, after: int, origins: Mapping[UUID, str], root: Path
) -> dict[UUID, list[Range]]:
    """The ranges of indexes that the newest generation says are purged, by organization.

    `after`: batches until then (µs since 1970) are restored. `origins`: of the restored logs; under another one the
    indexes may have been assigned anew since. `root`: a new directory for files of the full copy.
    """
    found: dict[UUID, list[Range]] = {}
    content = io.BytesIO()
    prefix = f"{newest.name}/{FULL}/"
    storage.get(prefix + FILE, content)
    manifest = msgspec.json.decode(content.getvalue(), type=BackupManifest)
    for file in manifest.files:
        if control_database.table_name(file) in PURGES:
            path = root / file.path
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("xb") as target:
                storage.get(prefix + file.path, target)
    same = {log.org_id for log in manifest.logs if origins.get(log.org_id) == log.origin_id}
    for name in PURGES:
        for row in control_database.rows_of(root, manifest, name):
            if (org_id := UUID(hex=row["org_id"])) in same:
                found.setdefault(org_id, []).extend(parse_ranges(row["indexes"]))
    for at, key in newest.batches:
        if at > after:
            for org_id, record in _records_in(storage, key, origins):
                if record.action == "audit_log.pruned" and is_own_record(record.what):
                    ranges = parse_ranges(str(msgspec.json.decode(record.details)["metadata"]["indexes"]))
                    found.setdefault(org_id, []).extend(ranges)
    return found


def _records_in(storage: FileStorage, key: str, origins: Mapping[UUID, str]) -> Iterator[tuple[UUID, Record]]:
    content = io.BytesIO()
    storage.get(key, content)
    for log in decode_copies(content.getvalue(), key):
        for batch in log.batches if origins.get(log.org_id) == log.origin_id else ():
            for record in decode_batch(log.org_id, batch).records:
                yield log.org_id, record


def record_later_purges(
    connection: Connection, org_id: UUID, purged: list[Range], *, redacted_keys: frozenset[str], now: int
) -> int:
    """Record in the restored log that these events are purged, except those of which it says so; how many there are."""
    mine = select(logs.c.frozen_reason).where(logs.c.org_id == org_id)
    if connection.execute(mine).all() != [(None,)]:
        return 0  # an organization that was made later, or a log in which nothing can be recorded
    log = ledger_log.lock(connection, org_id)
    known = IndexSet(
        pair
        for table in (purged_indexes, prunings)
        for text in connection.execute(select(table.c.indexes).where(table.c.org_id == org_id)).scalars()
        for pair in parse_ranges(text)
    )
    going = [
        index
        for first, last in IndexSet(purged).ranges()
        for start, end in known.outside(first, min(last, log.size - 1))
        for index in range(start, end + 1)
    ]
    if going:
        days = organizations.retention_days(connection, org_id)
        announce_again(connection, org_id, going, days=days, now=now)
        commit(connection, log, [], now=now, retention_days=days, redacted_keys=redacted_keys)
    return len(going)


def read_later_holds(storage: FileStorage, newest: Generation, root: Path) -> list[dict[str, object]]:
    """The rows of holds in force in the newest snapshot. `root`: a new directory for it."""
    if not newest.snapshots:
        return []
    packed = root / "later.zip"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with packed.open("xb") as file:
        storage.get(max(newest.snapshots)[1], file)
    manifest = unpack_snapshot(packed, root / "snapshot")
    ids = ("org_id", "hold_id")
    return [
        row | {name: control_database.decode(row[name], legal_holds.c[name]) for name in ids}
        for row in control_database.rows_of(root / "snapshot", manifest, legal_holds.name)
        if row["released_at"] is None
    ]


def add_holds(connection: Connection, rows: list[dict[str, object]]) -> None:
    """Add the holds that were placed later; one that was released later stays in force."""
    known = set(map(tuple, connection.execute(select(legal_holds.c.org_id, legal_holds.c.hold_id)).all()))
    if missing := [row for row in rows if (row["org_id"], row["hold_id"]) not in known]:
        connection.execute(insert(legal_holds), missing)
