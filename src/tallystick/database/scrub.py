"""Scrubbing: removes from the disk what a database leaves behind when a row is deleted."""

from collections.abc import Iterable

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from tallystick.database.engine import Database

PAGES_AT_ONCE = 4_000  # 16 MiB in one transaction: nobody waits long for it
TRIES = 20
_FILLER = "scrub_filler"


def scrub(database: Database, tables: Iterable[str]) -> bool:
    """Overwrite free space as far as the database can; False if a long read prevented it: try again.

    SQLite overwrites what it deletes within a page (`secure_delete`); here its free pages are filled with zeros and the
    write-ahead log is emptied. PostgreSQL vacuums the tables: what remains belongs to no row, and goes as pages are
    reused.
    """
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in tables:
                connection.execute(text(f'VACUUM "{table}"'))
        return True
    _fill_free_pages(database)
    return _empty_log(database)


def _fill_free_pages(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_FILLER}")  # of one that was interrupted
        free = _pragma(connection, "freelist_count")
        size = _pragma(connection, "page_size")
        connection.exec_driver_sql(f"CREATE TABLE {_FILLER} (zeros BLOB)")
    while free > 0:
        pages = min(free, PAGES_AT_ONCE)
        with database.write() as connection:
            connection.execute(text(f"INSERT INTO {_FILLER} VALUES (zeroblob(:bytes))"), {"bytes": pages * size})  # noqa: S608
        free -= pages
    with database.write() as connection:
        connection.exec_driver_sql(f"DROP TABLE {_FILLER}")


def _empty_log(database: Database) -> bool:
    for _ in range(TRIES):
        with database.engine.connect() as connection:
            try:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
            except OperationalError:
                busy = 1
            if not busy:
                return True
    return False


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
