"""What was decided after the moment that is restored, and counts all the same: purges and holds.

Erasures have a list of their own. For each name that a log had since, the newest generation in which it has that name
tells its purges: its full copy those until then, its batches the records of later ones. A log that goes on under
another name has the same events only up to where their entries differ. The newest snapshot has the holds. Of these
files none is needed for the moment itself, so one that is damaged is reported, and holds up nothing.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy import Connection, insert, select

from tallystick.access import organizations
from tallystick.backup import control_database
from tallystick.backup.manifest import BackupManifest, check_file
from tallystick.copies.batch_copies import LARGEST_FILE, decode_copies
from tallystick.copies.generations import FULL, Generation, read_full_manifest
from tallystick.copies.snapshot import LARGEST_SNAPSHOT, unpack_snapshot
from tallystick.database.engine import Database
from tallystick.destinations.file_storage import FileMissing, FileStorage, get_bounded, read_small
from tallystick.errors import Conflict
from tallystick.events.record import Record
from tallystick.ingest.commit import commit
from tallystick.journal.batches import decode_batch
from tallystick.ledger import log as ledger_log
from tallystick.ledger.common_entries import common_end, common_tiles
from tallystick.ledger.nodes import DetachedNodes
from tallystick.ledger.tables import logs, tiles
from tallystick.query.own_records import is_own_record
from tallystick.retention.index_set import IndexSet, Range, parse_ranges
from tallystick.retention.purge import announce_again
from tallystick.retention.tables import legal_holds, prunings, purged_indexes

PURGES = (purged_indexes.name, prunings.name)
NO_END = 1 << 62


class LaterRecords:
    """Reads what generations say of the time after the restored moment; `restored` are the keys of what is restored.

    `generations`: complete ones in order, from the restored one on. `origins`: of the restored logs. `root`: a new
    directory for their files. `damaged` collects sentences on what cannot be read.
    """

    def __init__(
        self,
        storage: FileStorage,
        generations: Sequence[Generation],
        restored: Set[str | None],
        origins: Mapping[UUID, str],
        root: Path,
    ) -> None:
        self._storage = storage
        self._generations = generations
        self._restored = restored
        self._origins = origins
        self._root = root
        self.damaged: list[str] = []

    def read_purges(self, database: Database) -> dict[UUID, list[Range]]:
        """The ranges of indexes that are purged by now, by organization; `database` has the restored logs."""
        found: dict[UUID, list[Range]] = {}
        newest = dict.fromkeys(self._origins.items(), self._generations[0])
        manifests: dict[str, BackupManifest] = {}
        for generation in self._generations[1:]:
            try:
                read = manifests[generation.name] = read_full_manifest(self._storage, generation)
            except (Conflict, FileMissing) as error:
                self._note(generation.name, error)
                continue
            newest |= {(log.org_id, log.origin_id): generation for log in read.logs if log.org_id in self._origins}
        for generation in self._generations:
            names = [name for name, of in newest.items() if of is generation]
            told: list[tuple[UUID, Range]] = []
            # Indexes below these are of the same events as in the restored log.
            ends = {org_id: NO_END for org_id, origin_id in names if origin_id == self._origins[org_id]}
            try:
                if names and (manifest := manifests.get(generation.name)):
                    others = [org_id for org_id, _origin_id in names if org_id not in ends]
                    ends |= self._common_ends(database, generation, manifest, others)
                    told = self._purged(generation, manifest)
            except (Conflict, FileMissing) as error:
                self._note(generation.name, error)
            for org_id, (first, last) in (*told, *self._recorded(generation)) if ends else ():
                if first < ends.get(org_id, 0):
                    found.setdefault(org_id, []).append((first, min(last, ends[org_id] - 1)))
        return found

    def _common_ends(
        self, database: Database, generation: Generation, manifest: BackupManifest, org_ids: Sequence[UUID]
    ) -> dict[UUID, int]:
        """For each of these logs, which have another name there, how many entries are those of the restored log."""
        if not org_ids:
            return {}
        root, part = self._fetch(generation, manifest, (tiles.name,))
        above: dict[UUID, dict[int, bytes]] = {org_id: {} for org_id in org_ids}
        for row in control_database.rows_of(root, part, tiles.name):
            if row["level"] == 1 and (org_id := UUID(hex=row["org_id"])) in above:
                above[org_id][row["position"]] = b64decode(row["hashes"])
        nodes = {org_id: DetachedNodes(database, org_id) for org_id in above}
        whole = {org_id: common_tiles(nodes[org_id], hashes) for org_id, hashes in above.items()}
        ends = {org_id: common_end(nodes[org_id], count, b"") for org_id, count in whole.items()}
        for row in control_database.rows_of(root, part, tiles.name):
            org_id = UUID(hex=row["org_id"])
            if row["level"] == 0 and row["position"] == whole.get(org_id):
                ends[org_id] = common_end(nodes[org_id], whole[org_id], b64decode(row["hashes"]))
        return ends

    def _purged(self, generation: Generation, manifest: BackupManifest) -> list[tuple[UUID, Range]]:
        """The purges that a full copy tells: organizations and ranges of indexes."""
        root, part = self._fetch(generation, manifest, PURGES)
        rows = (row for name in PURGES for row in control_database.rows_of(root, part, name))
        return [(UUID(hex=row["org_id"]), one) for row in rows for one in parse_ranges(row["indexes"])]

    def read_holds(self) -> list[dict[str, object]]:
        """The rows of holds in force in the newest snapshot."""
        snapshots = [key for generation in self._generations for _at, key in generation.snapshots]
        for number, key in enumerate(reversed(snapshots)):
            if key in self._restored:
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

    def _fetch(
        self, generation: Generation, manifest: BackupManifest, tables: Sequence[str]
    ) -> tuple[Path, BackupManifest]:
        """Download the files of these tables of a full copy: the directory, and the manifest of these files."""
        root, prefix = self._root / generation.name, f"{generation.name}/{FULL}/"
        files = [file for file in manifest.files if control_database.table_name(file) in tables]
        for file in files:
            path = root / file.path
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("wb") as target:
                get_bounded(self._storage, prefix + file.path, target, file.bytes)
            check_file(root, file)
        return root, msgspec.structs.replace(manifest, files=files)

    def _recorded(self, generation: Generation) -> Iterator[tuple[UUID, Range]]:
        """The purges that batches of after the restored moment record: organizations and ranges of indexes."""
        for _at, key in generation.batches:
            if key in self._restored:
                continue
            try:
                for org_id, record in self._records_in(key):
                    if record.action == "audit_log.pruned" and is_own_record(record.what):
                        ranges = parse_ranges(str(msgspec.json.decode(record.details)["metadata"]["indexes"]))
                        yield from ((org_id, one) for one in ranges)
            except (Conflict, FileMissing) as error:
                self._note(key, error)

    def _records_in(self, key: str) -> Iterator[tuple[UUID, Record]]:
        for log in decode_copies(read_small(self._storage, key, LARGEST_FILE), key):
            for batch in log.batches:
                for record in decode_batch(log.org_id, batch).records:
                    yield log.org_id, record

    def _holds_in(self, key: str, root: Path) -> list[dict[str, object]]:
        packed = root / "later.zip"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with packed.open("xb") as file:
            get_bounded(self._storage, key, file, LARGEST_SNAPSHOT)
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
        commit(connection, log, [], now=now, redacted_keys=redacted_keys)
    return len(going)


def add_holds(connection: Connection, rows: list[dict[str, object]]) -> None:
    """Add the holds that were placed later; one that was released later stays in force."""
    known = set(map(tuple, connection.execute(select(legal_holds.c.org_id, legal_holds.c.hold_id)).all()))
    if missing := [row for row in rows if (row["org_id"], row["hold_id"]) not in known]:
        connection.execute(insert(legal_holds), missing)
