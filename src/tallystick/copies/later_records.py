"""What was decided after the moment that is restored, and counts all the same: purges and holds.

Erasures have a list of their own. The newest generation in which a log has the name that is restored tells its purges:
its full copy those until then, its batches the records of later ones. The newest snapshot has the holds. Of these files
none is needed for the moment itself, so one that is damaged is reported, and holds up nothing.
"""

import io
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy import Connection, insert, select

from tallystick.access import organizations
from tallystick.backup import control_database
from tallystick.backup.manifest import FILE, BackupManifest, check_files
from tallystick.copies.batch_copies import decode_copies
from tallystick.copies.generations import FULL, Generation
from tallystick.copies.snapshot import unpack_snapshot
from tallystick.destinations.file_storage import FileMissing, FileStorage
from tallystick.errors import Conflict
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


class LaterRecords:
    """Reads what generations say of the time after `after` (µs since 1970): batches until then are restored.

    `generations`: complete ones in order, from the restored one on. `origins`: of the restored logs; under another one
    the indexes may have been assigned anew since. `root`: a new directory for their files. `damaged` collects sentences
    on what cannot be read.
    """

    def __init__(
        self,
        storage: FileStorage,
        generations: Sequence[Generation],
        after: int,
        origins: Mapping[UUID, str],
        root: Path,
    ) -> None:
        self._storage = storage
        self._generations = generations
        self._after = after
        self._origins = origins
        self._root = root
        self.damaged: list[str] = []

    def read_purges(self) -> dict[UUID, list[Range]]:
        """The ranges of indexes that are purged by now, by organization."""
        found: dict[UUID, list[Range]] = {}
        last = dict.fromkeys(self._origins, self._generations[0])
        manifests: dict[str, BackupManifest] = {}
        for generation in self._generations[1:]:
            try:
                manifest = self._manifest(generation)
            except (Conflict, FileMissing) as error:
                self._note(generation.name, error)
                continue
            manifests[generation.name] = manifest
            last |= {log.org_id: generation for log in manifest.logs if self._origins.get(log.org_id) == log.origin_id}
        for generation in self._generations:
            wanted = {org_id for org_id, newest in last.items() if newest is generation}
            if wanted and generation.name in manifests:
                self._add_purged(generation, manifests[generation.name], wanted, found)
            if wanted:
                self._add_recorded(generation, wanted, found)
        return found

    def read_holds(self) -> list[dict[str, object]]:
        """The rows of holds in force in the newest snapshot."""
        snapshots = sorted(one for generation in self._generations for one in generation.snapshots)
        for number, (at, key) in enumerate(reversed(snapshots)):
            if at <= self._after:
                break
            try:
                return self._holds_in(key, self._root / f"snapshot-{number}")
            except (Conflict, FileMissing) as error:
                self._note(key, error)
        return []

    def _note(self, what: str, error: Conflict | FileMissing) -> None:
        self.damaged.append(
            f"{what}: purges and legal holds of later than the restored moment may not be known, since it cannot be "
            f"read: {error.detail}"
        )

    def _manifest(self, generation: Generation) -> BackupManifest:
        content = io.BytesIO()
        self._storage.get(f"{generation.name}/{FULL}/{FILE}", content)
        try:
            return msgspec.json.decode(content.getvalue(), type=BackupManifest)
        except msgspec.DecodeError as error:
            raise Conflict(f"{generation.name}/{FULL}/{FILE} was changed ({error}).") from None

    def _add_purged(
        self, generation: Generation, manifest: BackupManifest, wanted: Set[UUID], found: dict[UUID, list[Range]]
    ) -> None:
        root, prefix = self._root / generation.name, f"{generation.name}/{FULL}/"
        files = [file for file in manifest.files if control_database.table_name(file) in PURGES]
        part = msgspec.structs.replace(manifest, files=files)
        try:
            for file in files:
                path = root / file.path
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with path.open("xb") as target:
                    self._storage.get(prefix + file.path, target)
            check_files(root, part, lambda _size: None)
        except (Conflict, FileMissing) as error:
            self._note(generation.name, error)
            return
        for name in PURGES:
            for row in control_database.rows_of(root, part, name):
                if (org_id := UUID(hex=row["org_id"])) in wanted:
                    found.setdefault(org_id, []).extend(parse_ranges(row["indexes"]))

    def _add_recorded(self, generation: Generation, wanted: Set[UUID], found: dict[UUID, list[Range]]) -> None:
        for at, key in generation.batches:
            if at <= self._after:
                continue
            try:
                for org_id, record in self._records_in(key, wanted):
                    if record.action == "audit_log.pruned" and is_own_record(record.what):
                        ranges = parse_ranges(str(msgspec.json.decode(record.details)["metadata"]["indexes"]))
                        found.setdefault(org_id, []).extend(ranges)
            except (Conflict, FileMissing) as error:
                self._note(key, error)

    def _records_in(self, key: str, wanted: Set[UUID]) -> Iterator[tuple[UUID, Record]]:
        content = io.BytesIO()
        self._storage.get(key, content)
        for log in decode_copies(content.getvalue(), key):
            if log.org_id in wanted and self._origins.get(log.org_id) == log.origin_id:
                for batch in log.batches:
                    for record in decode_batch(log.org_id, batch).records:
                        yield log.org_id, record

    def _holds_in(self, key: str, root: Path) -> list[dict[str, object]]:
        packed = root / "later.zip"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with packed.open("xb") as file:
            self._storage.get(key, file)
        manifest = unpack_snapshot(packed, root / "snapshot")
        ids = ("org_id", "hold_id")
        return [
            row | {name: control_database.decode(row[name], legal_holds.c[name]) for name in ids}
            for row in control_database.rows_of(root / "snapshot", manifest, legal_holds.name)
            if row["released_at"] is None
        ]


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


def add_holds(connection: Connection, rows: list[dict[str, object]]) -> None:
    """Add the holds that were placed later; one that was released later stays in force."""
    known = set(map(tuple, connection.execute(select(legal_holds.c.org_id, legal_holds.c.hold_id)).all()))
    if missing := [row for row in rows if (row["org_id"], row["hold_id"]) not in known]:
        connection.execute(insert(legal_holds), missing)
