"""Restore from continuous copies: the full copy of a generation, the newest snapshot in it, then the batches.

What was purged or erased after the full copy is deleted again before the restore is complete; a list of erasures that
is newer than the moment counts too. A log of which more may have been signed than the copies hold goes on under a new
name, so that nobody ever sees two logs under one: only `ledger.marks` of the lost server says how much was signed.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
import structlog
from sqlalchemy import Connection, func, insert, select

from tallystick import ids
from tallystick.access.audit import Caller
from tallystick.access.tables import organizations
from tallystick.backup import control_database
from tallystick.backup.create import expected_events
from tallystick.backup.manifest import BackupManifest, write_manifest
from tallystick.backup.restart_log import RestartedLog, restart_frozen_log
from tallystick.backup.restore import Progress, RestoreResult, restore_backup
from tallystick.clock import now_us, rfc3339
from tallystick.copies.batch_copies import LARGEST_FILE, decode_copies
from tallystick.copies.generations import (
    ERASURES,
    FULL,
    MOST_ERASURES,
    Generation,
    list_generations,
    read_full_manifest,
)
from tallystick.copies.later_records import LaterRecords, add_holds, record_later_purges
from tallystick.copies.replay import NO_ENTRY, append_copied
from tallystick.copies.snapshot import LARGEST_SNAPSHOT, LOG_TABLES, unpack_snapshot
from tallystick.database.engine import Database
from tallystick.destinations.file_storage import FileStorage, get_bounded, read_small
from tallystick.erasure import erasure_list
from tallystick.erasure.replay import erase_now
from tallystick.errors import Conflict, NotFound, Unavailable
from tallystick.ingest.shipper import Shipper
from tallystick.ingest.store_identity import StoreIdentity
from tallystick.ledger import log as ledger_log
from tallystick.ledger.high_water import HighWaterMarks
from tallystick.ledger.tables import logs
from tallystick.retention.purge import finish_deletions
from tallystick.retention.tables import prunings
from tallystick.settings import Settings
from tallystick.store.events import EventStore

SNAPSHOT = "snapshot"
DOWNLOAD = "copies.restore"  # in the data directory, until the restore is complete
RESTARTED = "It was restored from copies, and more may have been signed before."
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore reads: a generation, its newest snapshot if there is one, and the batches in order; `at` in µs."""

    generation: Generation
    snapshot: str | None
    batches: Sequence[str]
    at: int
    later: Sequence[Generation] = ()  # where what was decided later is looked for


@dataclass(slots=True)
class RestoredCopies:
    """The result: what was restored, until when (µs since 1970), and what happened to the events and the logs."""

    at: int
    result: RestoreResult
    appended: int = 0
    deleted: int = 0
    erased: int = 0
    restarted: dict[str, RestartedLog] = field(default_factory=dict)


def plan_restore(generations: Sequence[Generation], at: int | None) -> RestorePlan:
    """The plan for the state at `at` (µs since 1970), or the newest one. NotFound if no copies reach back to it."""
    usable = [one for one in generations if one.is_complete and (at is None or one.begun_at <= at)]
    if not usable:
        first = min((one.begun_at for one in generations if one.is_complete), default=None)
        advice = "There is no complete copy." if first is None else f"The first copy is of {rfc3339(first)}."
        raise NotFound(f"The copies hold nothing of that time. {advice}")
    # In the first version, what was new while a full copy was made went into the generation before alone.
    plans = [_plan_of(generation, at) for generation in usable]
    best = max(plans, key=lambda plan: (plan.generation.number, plan.at, plan.generation.begun_at))
    if at is None:
        return best
    names = [one.name for one in generations]
    later = [one for one in generations[names.index(best.generation.name) :] if one.is_complete]
    return replace(best, later=later)


def _plan_of(generation: Generation, at: int | None) -> RestorePlan:
    batches = [one for one in generation.batches if at is None or one[0] <= at]
    snapshots = [one for one in generation.snapshots if at is None or one[0] <= at]
    reached = max((one[0] for one in (*batches[-1:], *snapshots[-1:])), default=generation.begun_at)
    return RestorePlan(generation, snapshots[-1][1] if snapshots else None, [key for _at, key in batches], reached)


def restore_copies(
    settings: Settings,
    storage: FileStorage,
    at: int | None,
    command: str,
    caller: Caller,
    progress: Progress,
    *,
    move_aside: bool = False,
    without_key: bool = False,
) -> RestoredCopies:
    """Restore the state at `at` (µs since 1970), or the newest one, into the databases of the settings.

    The rest is as in `restore_backup`, `move_aside` as its `replace`; `command` is what repeats an interrupted restore.
    Raises TargetError too.
    """
    plan = plan_restore(list_generations(storage), at)
    root = settings.data_dir / DOWNLOAD
    shutil.rmtree(root, ignore_errors=True)
    full = _fetch_full_copy(storage, plan, root, progress)
    snapshot = _fetch_snapshot(storage, plan, root)
    origins = {log.org_id: log.origin_id for log in full.logs}
    work = _BatchesRestore(settings, storage, plan, root, snapshot, origins, command, caller, progress)
    done = restore_backup(settings, root / FULL, progress, replace=move_aside, without_key=without_key, extension=work)
    shutil.rmtree(root)
    done = replace(done, missing=[*done.missing, *work.unknown()])
    return RestoredCopies(plan.at, done, work.appended, work.deleted, work.erased, work.restarted)


def _fetch_full_copy(storage: FileStorage, plan: RestorePlan, root: Path, progress: Progress) -> BackupManifest:
    """Download the full copy; its manifest gets an id of its own, since the snapshot is restored in the same step."""
    prefix = f"{plan.generation.name}/{FULL}/"
    manifest = read_full_manifest(storage, plan.generation)
    (root / FULL).mkdir(mode=0o700, parents=True)
    fetched = 0
    for file in manifest.files:
        fetched += file.bytes
        progress("fetching", fetched, manifest.bytes)
        _fetch(storage, prefix + file.path, root / FULL / file.path, file.bytes)
    parts = (manifest.backup_id, plan.snapshot, *plan.batches[-1:], len(plan.batches))
    own_id = uuid5(NAMESPACE_URL, "/".join(map(str, parts)))
    write_manifest(root / FULL, msgspec.structs.replace(manifest, backup_id=own_id))
    return manifest


def _fetch_snapshot(storage: FileStorage, plan: RestorePlan, root: Path) -> BackupManifest | None:
    if plan.snapshot is None:
        return None
    packed = root / Path(plan.snapshot).name
    _fetch(storage, plan.snapshot, packed, LARGEST_SNAPSHOT)
    return unpack_snapshot(packed, root / SNAPSHOT)


def _fetch(storage: FileStorage, key: str, path: Path, most: int) -> None:
    if ".." in path.parts:
        raise Conflict(f"{key} is not a path within the copies.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("xb") as file:
        path.chmod(0o600)
        get_bounded(storage, key, file, most)


def _merge_erasures(storage: FileStorage, data_dir: Path) -> None:
    """Add what the copied lists of erasures say to the list of this data directory, whatever moment is restored."""
    for key in storage.keys(ERASURES):
        erasure_list.append(data_dir, erasure_list.parse(read_small(storage, key, MOST_ERASURES)))


class _BatchesRestore:
    """What is restored beside the full copy."""

    def __init__(
        self,
        settings: Settings,
        storage: FileStorage,
        plan: RestorePlan,
        root: Path,
        snapshot: BackupManifest | None,
        origins: dict[UUID, str],
        command: str,
        caller: Caller,
        progress: Progress,
    ) -> None:
        """`origins`: of the logs in the full copy."""
        self._settings = settings
        self._storage = storage
        self._plan = plan
        self._root = root
        self._snapshot = snapshot
        self.sealed = (root / SNAPSHOT, snapshot) if snapshot is not None else None
        self._origins = origins
        self.command = command
        self._caller = caller
        self._progress = progress
        self.appended = self.deleted = self.erased = 0
        self.restarted: dict[str, RestartedLog] = {}
        self._left_out: dict[UUID, int] = {}  # the sizes of logs whose organization is not in the snapshot
        # Origins of logs that are appended are added to the same dictionary.
        restored = {*plan.batches, plan.snapshot}
        self._later = LaterRecords(storage, plan.later, restored, origins, root / "later")

    def unknown(self) -> list[str]:
        """Sentences on what could not be read, and on events of organizations that do not come back."""
        return [
            f"{ids.encode('org', org_id.bytes)}: its {size:,} events are not restored, since the organization was "
            "created after the last snapshot of that moment. A later moment has them, if there is one"
            for org_id, size in self._left_out.items()
        ] + self._later.damaged

    def overlay(self, connection: Connection) -> None:
        """Replace what the snapshot holds, and add later holds."""
        if self._snapshot is not None:
            self._load_snapshot(connection, self._snapshot)
        add_holds(connection, self._later.read_holds())

    def _load_snapshot(self, connection: Connection, snapshot: BackupManifest) -> None:
        """Recorded deletions of the full copy stay, since its events are back."""
        before = [dict(row._mapping) for row in connection.execute(select(prunings))]
        control_database.load_tables(connection, self._root / SNAPSHOT, snapshot, LOG_TABLES)
        known = set(connection.execute(select(prunings.c.pruning_id)).scalars())
        # Each was recorded and carried out by the time of the snapshot.
        if left := [row | {"entry_id": NO_ENTRY} for row in before if row["pruning_id"] not in known]:
            connection.execute(insert(prunings), left)

    def finish(self, database: Database) -> None:
        """Append the batches, rename logs, store all events, and delete again what was deleted."""
        _merge_erasures(self._storage, self._settings.data_dir)
        self._append(database)
        store = EventStore(self._settings.events_url)
        try:
            store.open()
            self._restart_logs(database, store)
            if self._plan.later:
                self._record_later_purges(database)
            self._store_events(database, store)
            self.deleted = finish_deletions(database, store)
            self.erased = erase_now(database, store, self._settings.data_dir)
        finally:
            store.close()

    def _append(self, database: Database) -> None:
        for number, key in enumerate(self._plan.batches, 1):
            for copied in decode_copies(read_small(self._storage, key, LARGEST_FILE), key):
                with database.write() as connection:
                    appended = append_copied(connection, copied, self._settings.redacted_keys)
                if appended is None:
                    self._left_out[copied.org_id] = copied.end
                self.appended += appended or 0
                self._origins[copied.org_id] = copied.origin_id
            self._progress("batches", number, len(self._plan.batches))
        with database.write() as connection:
            lacking = select(organizations).where(organizations.c.org_id.not_in(select(logs.c.org_id)))
            for row in connection.execute(lacking).all():
                ledger_log.create(connection, row.org_id, now=row.created_at)

    def _record_later_purges(self, database: Database) -> None:
        for org_id, purged in self._later.read_purges(database).items():
            with database.write() as connection:
                keys = self._settings.redacted_keys
                record_later_purges(connection, org_id, purged, redacted_keys=keys, now=now_us())

    def _store_events(self, database: Database, store: EventStore) -> None:
        """Move the journal to the event store: deletions look there."""
        identity = StoreIdentity(database, store, self._settings.data_dir, expected_events)
        if identity.check() is None:
            raise Conflict(store.guard.refusal)
        shipper = Shipper(database, store, identity, gather_seconds=0.0)
        try:
            while shipper.step():
                pass
        finally:
            shipper.close()
        with database.read() as connection:
            left = connection.execute(select(func.sum(logs.c.size - logs.c.stored_end))).scalar()
        if left:
            raise Unavailable(
                f"{left:,} events could not be moved from the journal to the event store, so what was purged or erased "
                "cannot be deleted again yet. See the lines before, then run the same command again."
            )

    def _restart_logs(self, database: Database, store: EventStore) -> None:
        marks = HighWaterMarks(self._settings.data_dir)
        marks.open()
        named = select(organizations.c.slug, logs.c.org_id, logs.c.origin_id, logs.c.size, logs.c.frozen_reason)
        with database.read() as connection:
            found = connection.execute(named.join(logs, logs.c.org_id == organizations.c.org_id)).all()
        for row in found:
            is_as_copied = self._origins.get(row.org_id, row.origin_id) == row.origin_id
            if is_as_copied and marks.of(row.origin_id) is None and row.frozen_reason in (None, RESTARTED):
                with database.write() as connection:
                    ledger_log.freeze(connection, row.org_id, RESTARTED)
                self._restart(database, store, row.slug)

    def _restart(self, database: Database, store: EventStore, slug: str) -> None:
        settings = self._settings
        try:
            self.restarted[slug] = restart_frozen_log(
                database, store, settings.data_dir, slug, settings.public_host,
                caller=self._caller, redacted_keys=settings.redacted_keys,
            )  # fmt: skip
        except Conflict as error:  # it contradicts itself, and stays frozen
            logger.error("log_not_restarted", organization=slug, error=error.detail)
