"""Snapshots of the control database, without what the full copy and the batches of a generation hold."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

import msgspec
from sqlalchemy import Table, func, select

import tallystick
from tallystick.backup import control_database
from tallystick.backup.manifest import FILE, BackupManifest, FileEntry, check_files, read_manifest
from tallystick.clock import now_us, rfc3339
from tallystick.database.engine import Database
from tallystick.database.migrate import revision_of
from tallystick.errors import Conflict
from tallystick.ledger.tables import logs

# Brought back from the full copy and by what is appended to the logs; they grow with the events.
LOG_TABLES = frozenset(
    {
        "checkpoints", "damaged_parts", "external_ids", "idempotency_keys", "journal", "journal_tail", "logs",
        "missing_ranges", "purged_indexes", "set_aside", "shipment_ranges", "shipments", "store_identity", "tiles",
    }
)  # fmt: skip

LARGEST_SNAPSHOT = 64 << 30  # bytes; it is downloaded to the disk


def tables_of_snapshot(database: Database) -> list[Table]:
    """The tables of a snapshot, read from the database, which takes a while."""
    with database.read() as connection:
        return control_database.tables_to_copy(connection, LOG_TABLES)


def take_snapshot(
    database: Database, root: Path, tables: Sequence[Table], alive: Callable[[], None]
) -> tuple[int, list[FileEntry]]:
    """Write the tables as of one moment below `root`, a new directory; the moment (µs since 1970) and the files."""
    with database.read() as connection:
        connection.execute(select(func.count()).select_from(logs)).scalar_one()  # fixes the moment
        taken_at = now_us()
        files = list(control_database.copy_tables(connection, root, alive, tables, sync=False))
        revision = revision_of(connection) or ""
    moment = rfc3339(taken_at)
    control = "sqlite" if database.is_sqlite else "postgresql"
    version = tallystick.__version__
    manifest = BackupManifest(uuid4(), 1, version, revision, control, moment, moment, 0, [], files)
    (root / FILE).write_bytes(msgspec.json.encode(manifest))
    return taken_at, files


def pack_snapshot(root: Path, target: Path) -> None:
    """Put the files of a snapshot into one; they are compressed already."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    with zipfile.ZipFile(target, "w") as packed:
        for path in files:
            packed.write(path, str(path.relative_to(root)))


def unpack_snapshot(source: Path, root: Path) -> BackupManifest:
    """Unpack such a file below `root` and compare each file with its hash; Conflict if it was changed."""
    try:
        with zipfile.ZipFile(source) as packed:
            # Nothing was compressed: what says otherwise may be of any size once it is unpacked.
            stored = all(one.compress_type == zipfile.ZIP_STORED for one in packed.infolist())
            if not stored or sum(one.file_size for one in packed.infolist()) > source.stat().st_size:
                raise zipfile.BadZipFile("it says that it holds more than it has bytes")
            packed.extractall(root)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise Conflict(f"{source.name} cannot be read ({error}). Restore to a moment before it with --at.") from None
    manifest = read_manifest(root)
    check_files(root, manifest, lambda _size: None)
    return manifest


def digest_of(files: list[FileEntry]) -> bytes:
    """Equal for snapshots with the same rows."""
    return msgspec.json.encode([(file.path, file.sha256) for file in files])
