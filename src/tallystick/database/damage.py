"""Damage and lack of space of the control database, as errors that say what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import structlog
from sqlalchemy.exc import DatabaseError

from tallystick.errors import SettingsError

logger = structlog.get_logger(__name__)
DISK_FULL = "The disk of the control database is full: nothing was written. The operator must free up space."
_DISK_FULL_STATE = "53100"  # of PostgreSQL
CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
RESTORE = (
    "Stop the server, leave the file as it is, and bring everything back: from continuous copies "
    "(TALLYSTICK_COPIES_DIR) with tallystick restore --replace, or, if there are none, from the newest backup with "
    "tallystick backup restore DIR --replace"
)


def is_damage(error: DatabaseError) -> bool:
    """Whether SQLite says that the file is damaged, truncated, or no database."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in CODES


def is_full_disk(error: BaseException) -> bool:
    """Whether a statement failed because the disk of the control database is full."""
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or getattr(original, "sqlstate", None) == _DISK_FULL_STATE


def log_damage(error: DatabaseError) -> None:
    """Log that a statement met damage, with the way back."""
    logger.error("control_database_damaged", error=str(error.orig)[:500], advice=RESTORE)


def has_no_tables(file: Path) -> bool:
    """Whether a SQLite file does not exist or is empty; it is not changed. SettingsError if it is damaged."""
    if not file.exists():
        return True
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in CODES:
            raise SettingsError(f"The control database {file} is damaged ({error}). {RESTORE}") from None
        return False


@contextmanager
def damage_named(url: str) -> Iterator[None]:
    """Raise SettingsError with the way back where a statement meets damage in the SQLite file of this URL."""
    try:
        yield
    except DatabaseError as error:
        if not is_damage(error):
            raise
        raise SettingsError(f"The control database {url} is damaged ({error.orig}). {RESTORE}") from None
