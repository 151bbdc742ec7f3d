"""The control database, table by table, in lines of JSON that either kind of database reads.

Tables and columns are those that the database has, so that a copy says of itself what it holds: the first line has the
columns and what kind each is, every other line is a row. Bytes are base64, ids are hexadecimal.
"""

import io
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast
from uuid import UUID

import msgspec
import sqlalchemy as sa
import zstandard
from sqlalchemy import Connection, MetaData, Table

from tallystick.backup.manifest import FileEntry, Manifest, NewFile, below, opened
from tallystick.errors import Conflict

FOLDER = "control"
# What speaks of the server that runs, not of what it keeps; whoever was signed in signs in again.
LEFT_OUT = frozenset({"alembic_version", "backups", "leases", "sessions", "setup_links"})
ROWS_AT_ONCE = 200
_LEVEL = 3


def copied_tables(connection: Connection) -> list[Table]:
    """The tables that a copy holds, each after those that it refers to."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in LEFT_OUT]


def copy_out(connection: Connection, root: Path, alive: Callable[[], None]) -> Iterator[FileEntry]:
    """Write every table as this transaction sees it; `alive` is called now and then, also within a long one."""
    for table in copied_tables(connection):
        kinds = [_kind(column) for column in table.columns]
        rows = 0
        packer = zstandard.ZstdCompressor(level=_LEVEL)
        with (
            NewFile(root, f"{FOLDER}/{table.name}.ndjson.zst") as file,
            packer.stream_writer(cast("IO[bytes]", file), closefd=False) as out,
        ):
            out.write(_line([[str(column.name), kind] for column, kind in zip(table.columns, kinds, strict=True)]))
            for row in connection.execute(table.select(), execution_options={"yield_per": ROWS_AT_ONCE}):
                out.write(_line(list(map(_plain, row, kinds))))
                rows += 1
                if rows % ROWS_AT_ONCE == 0:
                    alive()
        yield file.entry(rows)


def load(connection: Connection, root: Path, manifest: Manifest) -> None:
    """Fill the tables from the copy, in the caller's transaction; what stood in them goes."""
    tables = {table.name: table for table in copied_tables(connection)}
    files = {name_of(file): file for file in below(manifest, FOLDER)}
    if unknown := files.keys() - tables.keys():
        raise Conflict(f"The backup contains tables that this version does not know: {', '.join(sorted(unknown))}.")
    for table in reversed(tables.values()):
        connection.execute(table.delete())
    for name, table in tables.items():
        if name in files:
            for rows in _batches(root, files[name], table):
                connection.execute(table.insert(), rows)
    _go_on_counting(connection)


def rows_of(root: Path, manifest: Manifest, name: str) -> Iterator[dict[str, Any]]:
    """The rows of one table of the copy, by column, as they are written there."""
    for file in below(manifest, FOLDER):
        if name_of(file) == name:
            lines = _lines(opened(root, file))
            names = [column for column, _ in next(lines)]
            yield from (dict(zip(names, row, strict=True)) for row in lines)


def bytes_of(text: str) -> bytes:
    """Bytes as a row of the copy has them."""
    return b64decode(text)


def name_of(file: FileEntry) -> str:
    """The table that a file of the copy holds."""
    return file.path.removeprefix(f"{FOLDER}/").removesuffix(".ndjson.zst")


def _go_on_counting(connection: Connection) -> None:
    """PostgreSQL counts beside the table: its next number is one that no row has."""
    if connection.dialect.name == "sqlite":
        return
    for table in copied_tables(connection):
        if (column := table.autoincrement_column) is not None:
            named = sa.func.pg_get_serial_sequence(table.name, column.name)
            if (sequence := connection.execute(sa.select(named)).scalar()) is not None:
                highest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
                connection.execute(sa.select(sa.func.setval(sequence, highest, False)))


def _batches(root: Path, file: FileEntry, table: Table) -> Iterator[list[dict[str, Any]]]:
    lines = _lines(opened(root, file))
    header = next(lines)
    if missing := [name for name, _ in header if name not in table.columns]:
        raise Conflict(f"The table {table.name} of the backup has columns that this version does not know: {missing}.")
    hex_ids = [not isinstance(table.columns[name].type, sa.Uuid) for name, _ in header]
    some: list[dict[str, Any]] = []
    for row in lines:
        values = map(_value, row, (kind for _, kind in header), hex_ids)
        some.append(dict(zip((name for name, _ in header), values, strict=True)))
        if len(some) == ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _lines(stream: BinaryIO) -> Iterator[list[Any]]:
    decode = msgspec.json.Decoder(list[Any]).decode
    with stream, zstandard.ZstdDecompressor().stream_reader(stream) as plain:
        for line in io.BufferedReader(plain):
            yield decode(line)


def _line(values: list[Any]) -> bytes:
    return msgspec.json.encode(values) + b"\n"


def _kind(column: sa.Column[Any]) -> str:
    """An id of 16 bytes is CHAR(32) in SQLite, where nothing else is CHAR."""
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
