"""The copy of the control database: one file of JSON lines for each table, readable by SQLite and PostgreSQL.

Tables and columns are reflected from the database. The first line of a file lists the columns with their kinds, every
other line is a row. Bytes are base64, ids are hexadecimal.
"""

import io
from base64 import b64decode
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, cast
from uuid import UUID

import msgspec
import sqlalchemy as sa
import zstandard
from sqlalchemy import Connection, MetaData, Table

from tallystick.backup.manifest import BackupManifest, FileEntry, NewFile, files_in, open_file
from tallystick.errors import Conflict

FOLDER = "control"
# Tables of the running server's state; people have to sign in again after a restore.
EXCLUDED_TABLES = frozenset({
    "alembic_version", "backups", "copied_logs", "copies", "leases", "sessions", "setup_links", "store_rebuilds",
    "store_requests",
})  # fmt: skip
BATCH_ROWS = 200
_LEVEL = 3
_LONGEST_LINE = 1 << 30  # a row of the journal has at most some megabytes


def tables_to_copy(connection: Connection, left_out: Collection[str] = ()) -> list[Table]:
    """The tables of a backup but those `left_out`, each after those that its foreign keys refer to."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in EXCLUDED_TABLES.union(left_out)]


def copy_tables(
    connection: Connection, root: Path, alive: Callable[[], None], tables: Sequence[Table], *, sync: bool = True
) -> Iterator[FileEntry]:
    """Write each table as this transaction sees it; `alive` is called regularly, also within a large table.

    The files are on disk after that, unless `sync` is false.
    """
    for table in tables:
        kinds = [_kind(column) for column in table.columns]
        rows = 0
        packer = zstandard.ZstdCompressor(level=_LEVEL)
        with (
            NewFile(root, f"{FOLDER}/{table.name}.ndjson.zst", sync=sync) as file,
            packer.stream_writer(cast("IO[bytes]", file), closefd=False) as out,
        ):
            out.write(_line([[str(column.name), kind] for column, kind in zip(table.columns, kinds, strict=True)]))
            for row in connection.execute(table.select(), execution_options={"yield_per": BATCH_ROWS}):
                out.write(_line(list(map(_plain, row, kinds))))
                rows += 1
                if rows % BATCH_ROWS == 0:
                    alive()
        yield file.entry(rows)


def load_tables(connection: Connection, root: Path, manifest: BackupManifest, left_out: Collection[str] = ()) -> None:
    """Replace the content of the tables by the backup's, in the caller's transaction; those `left_out` stay."""
    tables = {table.name: table for table in tables_to_copy(connection, left_out)}
    files = {table_name(file): file for file in files_in(manifest, FOLDER)}
    if unknown := files.keys() - tables.keys():
        raise Conflict(f"The backup contains tables that this version does not know: {', '.join(sorted(unknown))}.")
    for table in reversed(tables.values()):
        connection.execute(table.delete())
    for name, table in tables.items():
        if name in files:
            for rows in _batches(root, files[name], table):
                connection.execute(table.insert(), rows)
    _reset_sequences(connection)


def rows_of(root: Path, manifest: BackupManifest, name: str) -> Iterator[dict[str, Any]]:
    """The rows of one table of the backup by column, with values as in the file."""
    for file in files_in(manifest, FOLDER):
        if table_name(file) == name:
            lines = _lines(open_file(root, file))
            names = [column for column, _ in next(lines)]
            yield from (dict(zip(names, row, strict=True)) for row in lines)


def decode(text: str, column: sa.Column[Any]) -> Any:
    """The id or the bytes of a value in a file of the backup, as the column has it."""
    return UUID(hex=text) if isinstance(column.type, sa.Uuid) else b64decode(text)


def table_name(file: FileEntry) -> str:
    """The name of the table that a file of the backup holds."""
    return file.path.removeprefix(f"{FOLDER}/").removesuffix(".ndjson.zst")


def _reset_sequences(connection: Connection) -> None:
    """Set PostgreSQL's sequences, which are not part of a table, to numbers that no row has."""
    if connection.dialect.name == "sqlite":
        return
    for table in tables_to_copy(connection):
        if (column := table.autoincrement_column) is not None:
            named = sa.func.pg_get_serial_sequence(table.name, column.name)
            if (sequence := connection.execute(sa.select(named)).scalar()) is not None:
                highest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
                connection.execute(sa.select(sa.func.setval(sequence, highest, False)))


def _batches(root: Path, file: FileEntry, table: Table) -> Iterator[list[dict[str, Any]]]:
    lines = _lines(open_file(root, file))
    header = next(lines)
    if missing := [name for name, _ in header if name not in table.columns]:
        raise Conflict(f"The table {table.name} of the backup has columns that this version does not know: {missing}.")
    hex_ids = [not isinstance(table.columns[name].type, sa.Uuid) for name, _ in header]
    some: list[dict[str, Any]] = []
    for row in lines:
        values = map(_value, row, (kind for _, kind in header), hex_ids)
        some.append(dict(zip((name for name, _ in header), values, strict=True)))
        if len(some) == BATCH_ROWS:
            yield some
            some = []
    if some:
        yield some


def _lines(stream: BinaryIO) -> Iterator[list[Any]]:
    decode = msgspec.json.Decoder(list[Any]).decode
    with stream, zstandard.ZstdDecompressor().stream_reader(stream) as plain:
        lines = io.BufferedReader(plain)
        while line := lines.readline(_LONGEST_LINE):
            if not line.endswith(b"\n"):
                raise Conflict(f"{getattr(stream, 'name', 'A table')} has an incomplete or too long row.")
            yield decode(line)


def _line(values: list[Any]) -> bytes:
    return msgspec.json.encode(values) + b"\n"


def _kind(column: sa.Column[Any]) -> str:
    """The kind of a column: id, bytes, number or text. SQLite stores an id as CHAR(32), and nothing else so."""
    if isinstance(column.type, sa.Uuid | sa.CHAR):
        return "id"
    if isinstance(column.type, sa.LargeBinary):
        return "bytes"
    return "number" if isinstance(column.type, sa.Integer | sa.Float | sa.Boolean) else "text"


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "id":
        return value.hex if isinstance(value, UUID) else value
    if kind == "bytes":
        return value.encode() if isinstance(value, str) else bytes(value)
    return value


def _value(value: Any, kind: str, hex_id: bool) -> Any:
    if value is None or kind not in ("id", "bytes"):
        return value
    if kind == "bytes":
        return b64decode(value)
    return value if hex_id else UUID(hex=value)
